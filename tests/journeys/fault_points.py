"""Every commit and remote call of the pipeline: where it happens, and what brings it about."""

from dataclasses import dataclass

from tests.providers import registered

WORKER, DISPATCHER, SWEEP, NOTIFIER = "worker", "dispatcher", "sweep", "notifier"
PROVIDERS = tuple(one.name for one in registered())


@dataclass(frozen=True, slots=True)
class FaultPoint:
    """`name` as in LODESTONE_DIE_AT, without .before and .after; `brought_about_by` is the method of
    `test_crashes.Scene` after which it is reached."""

    name: str
    process: str
    brought_about_by: str = "mail"

    @property
    def is_every_mails_commit(self) -> bool:
        remote = self.name.startswith(
            (*(f"{name}." for name in PROVIDERS), "queue.", "pubsub.", "deliveries.post")
        )
        return self.brought_about_by == "mail" and not remote


FAULT_POINTS = (
    # The dispatcher
    FaultPoint("pushes.look", DISPATCHER),
    FaultPoint("queue.mark", DISPATCHER),
    FaultPoint("queue.emit", DISPATCHER),
    FaultPoint("pubsub.ack", DISPATCHER),
    # Catching up
    FaultPoint("queue.enter", WORKER),
    FaultPoint("mailboxes.enter", WORKER),
    FaultPoint("gmail.history.list", WORKER),
    FaultPoint("mailboxes.advance", WORKER),
    FaultPoint("queue.keep", WORKER, "slow_history"),
    FaultPoint("queue.leave", WORKER),
    FaultPoint("gmail.getProfile", WORKER, "nothing_happens"),
    FaultPoint("mailboxes.stay", WORKER, "nothing_happens"),
    FaultPoint("gmail.getProfile", WORKER, "expired_history"),
    FaultPoint("gmail.messages.list", WORKER, "expired_history"),
    FaultPoint("gmail.oauth2.token", WORKER, "expired_token"),
    FaultPoint("mailboxes.keep_grant", WORKER, "expired_token"),
    FaultPoint("mailboxes.rest", WORKER, "limit"),
    # Matching
    FaultPoint("contacts.claim", WORKER),
    FaultPoint("gmail.messages.get", WORKER),
    FaultPoint("steps.extend", WORKER, "slow_get"),
    FaultPoint("steps.release", WORKER, "limited_get"),
    FaultPoint("contacts.record", WORKER),
    FaultPoint("queue.emit", WORKER, "burst"),
    # Announcing and sorting
    FaultPoint("notifications.record", WORKER),
    FaultPoint("queue.mark", WORKER),
    FaultPoint("labels.intend", WORKER),
    FaultPoint("gmail.messages.modify", WORKER),
    FaultPoint("gmail.messages.batchModify", WORKER, "many_mails"),
    FaultPoint("gmail.labels.list", WORKER, "deleted_label"),
    FaultPoint("gmail.labels.create", WORKER, "deleted_label"),
    FaultPoint("labels.keep", WORKER, "deleted_label"),
    FaultPoint("labels.wait", WORKER, "hidden_label"),
    FaultPoint("labels.record", WORKER),
    # Another label in a thread
    FaultPoint("gmail.messages.modify", WORKER, "other_category"),
    FaultPoint("gmail.messages.list", WORKER, "other_category"),
    FaultPoint("labels.replace", WORKER, "other_category"),
    FaultPoint("gmail.messages.batchModify", WORKER, "other_category"),
    FaultPoint("labels.record", WORKER, "other_category"),
    # The watch
    FaultPoint("watch.enter", WORKER, "watch_due"),
    FaultPoint("gmail.watch", WORKER, "watch_due"),
    FaultPoint("gmail.settings.sendAs.list", WORKER, "watch_due"),
    FaultPoint("watch.record", WORKER, "watch_due"),
    # The daily comparison
    FaultPoint("comparison.enter", WORKER, "overlooked_mail"),
    FaultPoint("gmail.messages.list", WORKER, "overlooked_mail"),
    FaultPoint("comparison.record", WORKER, "overlooked_mail"),
    FaultPoint("comparison.end", WORKER, "overlooked_mail"),
    # The notifier
    FaultPoint("queue.enter", NOTIFIER),
    FaultPoint("deliveries.claim", NOTIFIER),
    FaultPoint("deliveries.post", NOTIFIER),
    FaultPoint("deliveries.record", NOTIFIER),
    FaultPoint("deliveries.record", NOTIFIER, "many_mails"),
    FaultPoint("queue.leave", NOTIFIER),
    # The sweep
    FaultPoint("sweep.due", SWEEP),
    FaultPoint("sweep.redrive", SWEEP),
    FaultPoint("sweep.watches", SWEEP),
    FaultPoint("sweep.comparisons", SWEEP),
    FaultPoint("sweep.disconnecting", SWEEP),
    FaultPoint("queue.stalled", SWEEP),
    FaultPoint("queue.mark", SWEEP),
    FaultPoint("queue.emit", SWEEP),
)
