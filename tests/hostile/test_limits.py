"""Mails without measure are read within 10 seconds and the memory of a worker (E43, E102)."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from domain.mailboxes.accounts import Grant
from infra.local.gmail import GmailControl, GmailServer
from tests.hostile.huge import HUGE
from tests.hostile.readings import UWE
from tests.providers import held

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux's")


@pytest.fixture(scope="module")
def readings(server: GmailServer, control: GmailControl, grant: Grant) -> dict[str, Any]:
    """Every huge mail's reading by its name, None where the limits were exceeded."""
    ids = {name: control.deliver(UWE, huge.make()).id for name, huge in HUGE.items()}
    known = {
        name: getattr(held(grant), name)
        for name in ("client_id", "client_secret", "refresh_token", "token_uri")
    }
    asked = {"url": server.url, "grant": known, "ids": list(ids.values())}
    command = [sys.executable, "-m", "tests.hostile.limited"]
    done = subprocess.run(
        command, cwd=ROOT, input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    return {name: found[message_id] for name, message_id in ids.items()}


@pytest.mark.rule("E43", "E102")
@pytest.mark.parametrize("name", HUGE)
def test_a_mail_without_measure_is_read_within_the_limits(name: str, readings: dict[str, Any]) -> None:
    expected = HUGE[name].reading
    assert readings[name] == {
        "author": expected.author,
        "to": list(expected.to),
        "cc": list(expected.cc),
        "mail_class": expected.mail_class,
    }
