"""`lodestone setup google`: commands that a shell and gcloud understand, and that agree with `lodestone topic`."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from infra.gmail.pubsub import wanted, wanted_dead
from infra.gmail.setup import DOCTORS_RIGHTS, Place, settings, steps

PLAIN = Place("crm-mail", "gmail", "lodestone")
ODD = Place("firm.example:crm", "to+p~ic%1", "s.u_b%2")

FLAGS = {
    "services enable": {"--project"},
    "pubsub topics create": {"--project"},
    "pubsub topics add-iam-policy-binding": {"--project", "--member", "--role"},
    "pubsub subscriptions create": {
        *("--project", "--topic", "--ack-deadline", "--expiration-period", "--min-retry-delay"),
        *("--max-retry-delay", "--dead-letter-topic", "--max-delivery-attempts"),
    },
    "pubsub subscriptions add-iam-policy-binding": {"--project", "--member", "--role"},
    "projects describe": {"--format"},
    "projects add-iam-policy-binding": {"--member", "--role", "--condition"},
    "iam service-accounts create": {"--project", "--display-name"},
    "iam service-accounts keys create": {"--project", "--iam-account"},
    "iam roles create": {"--project", "--title", "--permissions", "--stage"},
}
"""By gcloud's reference, the flags of each command that we use."""


def run(place: Place, folder: Path) -> list[list[str]]:
    """What a gcloud would be called with, were the commands pasted into a shell."""
    gcloud = folder / "gcloud"
    calls = folder / "calls"
    gcloud.write_text(
        '#!/bin/sh\nfor word in "$@"; do printf "%s\\0" "$word" >> ' + shlex.quote(str(calls)) + "; done\n"
        f"printf '\\n' >> {shlex.quote(str(calls))}\n"
        'test "$1 $2" = "projects describe" && echo 123456\nexit 0\n'
    )
    gcloud.chmod(0o755)
    lines = [line for step in steps(place) for line in (*step.commands, *(f"# {w}" for w in step.by_hand))]
    done = subprocess.run(
        ["/bin/sh", "-eu", "-c", "\n".join(lines)],
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return [line.split("\0")[:-1] for line in calls.read_text().splitlines()]


def command(call: list[str]) -> tuple[str, list[str], dict[str, str]]:
    """A call as gcloud reads it: the command, its operands and its flags."""
    name = next(name for name in FLAGS if call[: len(name.split())] == name.split())
    rest = call[len(name.split()) :]
    flags = dict(word.split("=", 1) for word in rest if word.startswith("--"))
    return name, [word for word in rest if not word.startswith("--")], flags


@pytest.mark.parametrize("place", [PLAIN, ODD], ids=["plain", "odd names"])
def test_every_command_is_one_that_gcloud_has(place: Place, tmp_path: Path) -> None:
    for call in run(place, tmp_path):
        name, operands, flags = command(call)
        assert flags.keys() <= FLAGS[name], name
        assert len(operands) == (4 if name == "services enable" else 1), call
        assert flags.get("--project", place.project) == place.project


@pytest.mark.parametrize("place", [PLAIN, ODD], ids=["plain", "odd names"])
def test_the_subscriptions_are_those_that_lodestone_topic_makes(place: Place, tmp_path: Path) -> None:
    made = {}
    for name, operands, flags in map(command, run(place, tmp_path)):
        if name == "pubsub subscriptions create":
            made[operands[0]] = flags
    for wish in (
        wanted(place.project, place.topic, place.subscription),
        wanted_dead(place.project, place.topic, place.subscription),
    ):
        flags = made.pop(wish.name.rpartition("/")[2])
        assert flags["--topic"] == wish.topic.rpartition("/")[2]
        assert flags["--ack-deadline"] == str(wish.ack_deadline_seconds)
        assert flags["--expiration-period"] == "never"
        assert not wish.expiration_policy.ttl
        letters, retries = wish.dead_letter_policy, wish.retry_policy
        assert flags.get("--dead-letter-topic", "") == letters.dead_letter_topic.rpartition("/")[2]
        assert int(flags.get("--max-delivery-attempts", 0)) == letters.max_delivery_attempts
        waits = [flags.get(f"--{which}-retry-delay", "0s") for which in ("min", "max")]
        assert waits == [
            f"{backoff.seconds}s" for backoff in (retries.minimum_backoff, retries.maximum_backoff)
        ]
    assert made == {}


def test_whoever_needs_a_right_gets_it_and_nobody_else(tmp_path: Path) -> None:
    granted = {
        (
            name.split()[1] if name.startswith("pubsub") else name.split()[0],
            operands[0],
            flags["--role"],
            flags["--member"],
        )
        for name, operands, flags in map(command, run(PLAIN, tmp_path))
        if name.endswith("add-iam-policy-binding")
    }
    gmail = "serviceAccount:gmail-api-push@system.gserviceaccount.com"
    agent = "serviceAccount:service-123456@gcp-sa-pubsub.iam.gserviceaccount.com"
    ours = "serviceAccount:lodestone@crm-mail.iam.gserviceaccount.com"
    assert granted == {
        ("topics", "gmail", "roles/pubsub.publisher", gmail),
        ("topics", "gmail-dead", "roles/pubsub.publisher", agent),
        ("subscriptions", "lodestone", "roles/pubsub.subscriber", agent),
        ("subscriptions", "lodestone", "roles/pubsub.subscriber", ours),
        ("projects", "crm-mail", "projects/crm-mail/roles/lodestoneDoctor", ours),
    }
    assert not any("set" in right or "delete" in right or "consume" in right for right in DOCTORS_RIGHTS)


def test_an_account_that_is_there_is_used_and_none_made(tmp_path: Path) -> None:
    place = Place("crm-mail", "gmail", "lodestone", account="pull@other.iam.gserviceaccount.com")
    calls = [command(call) for call in run(place, tmp_path)]
    assert not [name for name, _, _ in calls if name.startswith("iam service-accounts")]
    assert [flags["--member"] for _, _, flags in calls if "pull@other" in flags.get("--member", "")] == [
        "serviceAccount:pull@other.iam.gserviceaccount.com"
    ] * 2


def test_what_nobody_can_do_by_command_is_told_with_its_page() -> None:
    place = Place(
        "crm-mail", "gmail", "lodestone", redirect_uris=("https://crm.example.com/mail",), delegate="1234"
    )
    words = "\n".join(line for step in steps(place) for line in step.by_hand)
    assert "https://console.cloud.google.com/auth/clients?project=crm-mail" in words
    assert "redirect URI https://crm.example.com/mail" in words
    assert "1234, with exactly https://www.googleapis.com/auth/gmail.modify" in words
    assert json.dumps(settings(place)).count("LODESTONE_") == 4
