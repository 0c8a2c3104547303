"""Every commit and remote call of two-way sync, as fault_points.py has those of every mail."""

from tests.journeys.fault_points import WORKER, FaultPoint

SYNC_FAULT_POINTS = (
    # What it says: the very first mail makes the keys
    FaultPoint("copies.make_keys", WORKER, "thread"),
    FaultPoint("copies.keys", WORKER, "thread"),
    FaultPoint("copies.reserve", WORKER, "thread"),
    FaultPoint("objects.put", WORKER, "thread"),
    FaultPoint("copies.texts", WORKER, "thread"),
    FaultPoint("copies.text", WORKER, "while_the_store_is_away"),
    # Its files
    FaultPoint("copies.claim", WORKER, "with_file"),
    FaultPoint("gmail.messages.attachments.get", WORKER, "with_file"),
    FaultPoint("copies.file", WORKER, "with_file"),
    FaultPoint("copies.record", WORKER, "with_file"),
    # Joining
    FaultPoint("gmail.messages.get", WORKER, "thread"),
    FaultPoint("contacts.record", WORKER, "thread"),
    FaultPoint("contacts.record", WORKER, "in_two_mailboxes"),
    FaultPoint("contacts.record", WORKER, "linking"),
    # The rest of a thread
    FaultPoint("conversations.gather", WORKER, "refused_before"),
    FaultPoint("gmail.threads.get", WORKER, "refused_before"),
    FaultPoint("conversations.gathered", WORKER, "refused_before"),
)
"""`brought_about_by` is the method of `Talk` after which it is reached."""
