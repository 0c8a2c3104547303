"""The demo's figures: how the mails ended, how long it took, what it cost, and what was not found."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.gmail.control.client import Counters
from workers.demo.canary import Proof
from workers.demo.latency import Latency
from workers.demo.outside import WebhookCheck
from workers.demo.screen import Screen
from workers.demo.show import Claim, Show


@dataclass(frozen=True, slots=True)
class Summary:
    """`failures` are (mail id, what it was to show, faults); `claims` what was shown beside the mails."""

    mails: int
    outcomes: dict[str, int]
    notifications: int
    failures: list[tuple[str, str, list[str]]]
    claims: list[Claim]
    alone: Latency | None
    together: Latency | None
    units_per_mail: float
    requests_per_mail: float
    left: WebhookCheck
    proof: Proof
    set_up_seconds: float
    seconds: float
    folder: Path

    @property
    def good(self) -> bool:
        """Every mail ended as expected, every claim holds, the webhook was told of each notification, no canary was
        found, and the search was shown to find."""
        mails = not self.failures and self.left.good
        return mails and not self.broken and not self.proof.found and self.proof.tested

    @property
    def broken(self) -> list[Claim]:
        """The claims that do not hold."""
        return [claim for claim in self.claims if claim.faults]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "ok": self.good,
            "mail_count": self.mails,
            "mails_as_expected": self.mails - len(self.failures),
            "failures": [
                {"message_id": message_id, "expectation": says, "faults": faults}
                for message_id, says, faults in self.failures
            ],
            "claim_count": len(self.claims),
            "broken_claims": [{"claim": claim.says, "faults": claim.faults} for claim in self.broken],
            "mails_by_outcome": self.outcomes,
            "notification_count": self.notifications,
            "webhook": self.left.as_json(),
            "latency": {
                name: {"mail_count": found.mails, "p50_ms": round(found.p50), "p99_ms": round(found.p99)}
                for name, found in (("one_at_a_time", self.alone), ("in_bursts", self.together))
                if found
            },
            "units_per_mail": round(self.units_per_mail, 2),
            "http_requests_per_mail": round(self.requests_per_mail, 3),
            "privacy": {
                "searched_files": self.proof.files,
                "searched_redis_keys": self.proof.redis_keys,
                "searched_bytes": self.proof.size,
                "self_test_passed": self.proof.tested,
                "found": [{"where": where, "canary": word} for where, word in self.proof.found],
            },
            "set_up_seconds": round(self.set_up_seconds, 1),
            "seconds": round(self.seconds, 1),
        }

    def show(self, screen: Screen) -> None:
        """In words."""
        screen.heading("Summary")
        for outcome, times in sorted(self.outcomes.items()):
            screen.say(f"  {outcome:<24}{times:>5}")
        screen.say("")
        good = self.mails - len(self.failures)
        screen.say(f"  {good} of {self.mails} mails ended as expected, {self.notifications} notifications")
        holding = len(self.claims) - len(self.broken)
        screen.say(
            f"  {holding} of {len(self.claims)} claims hold about signing in, seeing, sending, leaving and keeping"
        )
        screen.say(f"  {self.left}", "" if self.left.good else "red")
        for text, found in (("one at a time", self.alone), ("in bursts", self.together)):
            if found:
                screen.say(
                    f"  push to label, {text}: p50 {found.p50:.0f} ms, p99 {found.p99:.0f} ms ({found.mails} mails)"
                )
        screen.say(
            f"  per mail: {self.units_per_mail:.1f} quota units, {self.requests_per_mail:.2f} HTTP requests"
        )
        self._show_proof(screen)
        screen.say(f"  {self.seconds:.0f} s, after {self.set_up_seconds:.0f} s of set-up")
        for message_id, says, faults in self.failures:
            screen.say(f"  ✗ {message_id} ({says}): {'; '.join(faults)}", "red")
        for claim in self.broken:
            screen.say(f"  ✗ {claim.says}: {'; '.join(claim.faults)}", "red")
        if self.good:
            screen.say("Everything is as it should be.", "bold green")
        else:
            screen.say(
                f"Not as it should be: {self.folder} is kept, `lodestone explain ID` there.", "bold red"
            )

    def _show_proof(self, screen: Screen) -> None:
        proof = self.proof
        where = f"{proof.files} files ({proof.size / 1e6:.1f} MB) and {proof.redis_keys} Redis keys"
        if not proof.tested:
            screen.say("  privacy: the search missed a word that was planted for it", "red")
        if not proof.found:
            screen.say(
                "  privacy: none of the words from subjects, bodies, attachment names and third parties' addresses"
                f" of mail that must not be kept in {where}:"
                " database with its -wal, Redis with its append-only file, logs"
            )
            screen.say("  privacy: no contact's address in the logs or in Redis either")
        for place, word in proof.found:
            screen.say(f"  privacy: {word} stands in {place}", "red")


def sum_up(
    show: Show,
    *,
    handled: int,
    alone: Latency | None,
    together: Latency | None,
    counters: Counters,
    announced: int,
    left: WebhookCheck,
    proof: Proof,
    seconds: tuple[float, float],
    folder: Path,
) -> Summary:
    """From what was delivered and measured; `counters` are of the first `handled` mails."""
    sent = show.sent
    return Summary(
        mails=len(sent),
        outcomes=dict(Counter(one.outcomes[-1] if one.outcomes else "(nothing kept)" for one in sent)),
        notifications=announced,
        failures=[(one.message_id, one.letter.says, one.faults) for one in sent if one.faults],
        claims=show.claims,
        alone=alone,
        together=together,
        units_per_mail=counters.units / handled,
        requests_per_mail=counters.http_requests / handled,
        left=left,
        proof=proof,
        set_up_seconds=seconds[0],
        seconds=seconds[1],
        folder=folder,
    )
