"""`lodestone connect` without a token file, and `lodestone keys`, as processes beside a local Google."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import create_engine, text

from domain.errors import Refused
from infra.gmail.scopes import Scope
from infra.local.gmail import GmailControl, GmailServer
from infra.local.ports import free_port
from tests.browser import visit
from tests.terminals import Done, Terminal
from tests.worlds import KEY
from workers.cli.sign_in import Landing

UWE, BEA = "uwe@firm.example", "bea@firm.example"
SERVICE = "lodestone@local.iam.gserviceaccount.com"
OPENS = """#!{python}
import os, signal, sys, urllib.request, urllib.parse
url, state = sys.argv[1], urllib.parse.parse_qs(urllib.parse.urlsplit(sys.argv[1]).query)
def get(url):
    try:
        return urllib.request.urlopen(url).read()
    except urllib.error.HTTPError as error:
        print(error.code, file=open("seen", "a"))
back = state["redirect_uri"][0]
{does}
"""
"""A browser that does what a test wants: its arguments are those of a real one."""


@pytest.fixture
def google() -> Iterator[GmailControl]:
    with GmailServer() as server:
        control = GmailControl(server.url)
        control.create_mailbox(UWE)
        yield control


@pytest.fixture
def terminal(tmp_path: Path, sqlite_url: str, google: GmailControl) -> Terminal:
    """A shell with an OAuth client, and a browser whose user signs in at once."""
    (tmp_path / "client_secret.json").write_text(json.dumps(google.client_file()))
    browser = browser_that(tmp_path, "get(url)")
    return Terminal(
        tmp_path,
        sqlite_url,
        {
            "LODESTONE_GMAIL_ENDPOINT": google.base_url,
            "LODESTONE_OAUTH_CLIENT_FILE": "client_secret.json",
            "BROWSER": browser,
        },
    )


def browser_that(folder: Path, does: str) -> str:
    script = folder / "browser"
    script.write_text(OPENS.format(python=sys.executable, does=does))
    script.chmod(0o755)
    return str(script)


def with_settings(terminal: Terminal, **settings: str) -> Terminal:
    return replace(terminal, settings={**terminal.settings, **settings})


def connect(terminal: Terminal, *flags: str) -> Done:
    return terminal.run("connect", "--user", "uwe", "--sharing", "private", *flags)


def rows(terminal: Terminal) -> tuple[int, ...]:
    """How many sign-ins and connections there are."""
    engine = create_engine(terminal.database_url)
    with engine.connect() as db:
        counts = tuple(db.scalar(text(f"SELECT count(*) FROM {t}")) for t in ("sign_ins", "connections"))  # noqa: S608
    engine.dispose()
    return counts


@pytest.mark.rule("Z8", "I10")
def test_the_browser_comes_back_and_the_mailbox_is_connected(terminal: Terminal) -> None:
    done = connect(terminal, "--magnet")
    assert (done.code, done.out) == (0, f"{UWE} is connected for uwe: MailMagnet\n")
    assert rows(terminal) == (0, 1)
    assert done.err.startswith("sign in on Google's page; if no browser opens, go to\nhttp")
    assert "code=" not in done.err
    again = connect(with_settings(terminal, BROWSER="/nowhere"), "--no-magnet", "--json")
    assert (again.code, again.json["mailbox"], again.err) == (0, UWE, ""), "nobody has to sign in for that"


@pytest.mark.rule("Z9")
def test_the_missing_scope_is_named(terminal: Terminal, google: GmailControl) -> None:
    google.consent(without=[Scope.COMPOSE])
    done = connect(terminal)
    assert done.code == 2
    assert done.err.splitlines()[-1] == (
        "lodestone: Google was not allowed gmail.compose (to send what is written in the CRM, by way of a draft): "
        "sign in again and leave every box ticked (rule Z9)"
    )
    assert rows(terminal) == (0, 0)


@pytest.mark.rule("Z9")
def test_a_refusal_is_told(terminal: Terminal, google: GmailControl) -> None:
    google.consent(refuses=True)
    done = connect(terminal, "--json")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].startswith("lodestone: access was refused on Google's page")
    assert rows(terminal) == (0, 0)


def test_who_comes_with_another_state_is_sent_away(terminal: Terminal) -> None:
    does = (
        'get(back + "?state=forged&code=4/forged"); get(back + "favicon.ico"); get(back); get(url); '
        'get(back + "?state=" + state["state"][0])'
    )
    browser_that(terminal.folder, does)
    done = connect(terminal)
    assert done.code == 0
    assert (terminal.folder / "seen").read_text().split()[:3] == ["404", "404", "404"]


@pytest.mark.rule("Z9")
def test_ctrl_c_leaves_nothing(terminal: Terminal) -> None:
    browser_that(terminal.folder, "os.kill(os.getppid(), signal.SIGINT)")
    assert connect(terminal).code == 130
    assert rows(terminal) == (0, 0)


@pytest.mark.rule("Z15")
def test_another_account_needs_replace(terminal: Terminal, google: GmailControl) -> None:
    connect(terminal)
    google.create_mailbox(BEA)
    google.consent(BEA)
    done = connect(terminal, "--replace")
    assert (done.code, done.out) == (0, f"{BEA} is connected for uwe: nothing switched on\n")
    assert rows(terminal) == (0, 1)


def test_a_web_client_has_to_name_a_place_on_this_machine(terminal: Terminal, google: GmailControl) -> None:
    file = terminal.folder / "client_secret.json"
    file.write_text(json.dumps(google.add_client("https://crm.example.com/back", kind="web")))
    done = connect(terminal)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "make one of type Desktop app" in done.err
    here = f"http://127.0.0.1:{free_port()}/back"
    file.write_text(json.dumps(google.add_client("https://crm.example.com/back", here, kind="web")))
    assert connect(terminal).code == 0


def test_a_token_file_of_another_client_is_refused(terminal: Terminal, google: GmailControl) -> None:
    token = terminal.folder / "uwe.json"
    token.write_text(json.dumps(google.create_mailbox(UWE)))
    (terminal.folder / "client_secret.json").write_text(json.dumps(google.add_client()))
    done = connect(terminal, "--token-file", "uwe.json")
    line = "lodestone: uwe.json is of another OAuth client than LODESTONE_OAUTH_CLIENT_FILE\n"
    assert (done.code, done.err) == (2, line)
    (terminal.folder / "client_secret.json").write_text(json.dumps(google.client_file()))
    assert connect(terminal, "--token-file", "uwe.json").code == 0


@pytest.mark.rule("Z9")
def test_a_token_file_of_too_few_scopes_is_refused(terminal: Terminal, google: GmailControl) -> None:
    made = google.create_mailbox(UWE, scopes=[Scope.READONLY])
    (terminal.folder / "uwe.json").write_text(json.dumps(made))
    done = connect(terminal, "--token-file", "uwe.json")
    assert done.code == 2
    assert "Google was not allowed gmail.compose" in done.err


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (
            ("--no-browser", "--delegate", UWE),
            "--token-file, --delegate and --no-browser are three ways of signing in: choose one",
        ),
        (("--delegate", "nobody"), "nobody is no address"),
        (
            ("--delegate", UWE),
            "--delegate needs the key of a service account: set LODESTONE_SERVICE_ACCOUNT_FILE",
        ),
    ],
)
def test_what_cannot_be_is_told_in_one_line(terminal: Terminal, flags: tuple[str, ...], line: str) -> None:
    done = connect(terminal, *flags)
    assert (done.code, done.out, done.err) == (2, "", f"lodestone: {line}\n")


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [
        (
            "LODESTONE_OAUTH_CLIENT_FILE",
            "a file: client_secret.json of the OAuth client, from the Cloud console",
        ),
        (
            "LODESTONE_SERVICE_ACCOUNT_FILE",
            "a file: the JSON key of a service account with domain-wide delegation",
        ),
    ],
)
@pytest.mark.parametrize("content", [None, "[]", '{"web": {}}'])
def test_a_file_that_is_none_is_named_by_its_setting(
    terminal: Terminal, setting: str, wanted: str, content: str | None
) -> None:
    if content is not None:
        (terminal.folder / "file.json").write_text(content)
    done = connect(with_settings(terminal, **{setting: "file.json"}))
    assert (done.code, done.err) == (2, f"lodestone: {setting} is wrong: it should be {wanted}\n")


def test_a_client_file_that_leads_to_plain_http_elsewhere_is_refused(
    terminal: Terminal, google: GmailControl
) -> None:
    file = google.client_file()
    file["installed"]["token_uri"] = "http://oauth2.example.com/token"
    (terminal.folder / "client_secret.json").write_text(json.dumps(file))
    done = connect(terminal)
    assert (done.code, done.err.count("LODESTONE_OAUTH_CLIENT_FILE is wrong")) == (2, 1)


def test_a_service_account_enters_in_the_users_place(terminal: Terminal, google: GmailControl) -> None:
    (terminal.folder / "service.json").write_text(json.dumps(google.service_account(SERVICE)))
    terminal = with_settings(terminal, LODESTONE_SERVICE_ACCOUNT_FILE="service.json")
    refused = connect(terminal, "--delegate", UWE)
    assert refused.code == 2
    assert "in the Admin console, give its client id domain-wide delegation" in refused.err
    google.service_account(SERVICE, [Scope.READONLY, Scope.COMPOSE])
    done = connect(terminal, "--delegate", UWE, "--magnet")
    assert (done.code, done.out) == (0, f"{UWE} is connected for uwe: MailMagnet\n")
    assert terminal.run("disconnect", "--user", "uwe").code == 0


def test_nobody_waits_for_ever() -> None:
    with (
        Landing(None, "Google") as landing,
        pytest.raises(Refused, match="nobody came back from Google's page in time"),
    ):
        landing.wait(0.01)


class Typing:
    """`lodestone connect --no-browser` with somebody at the keyboard."""

    def __init__(self, terminal: Terminal, *flags: str) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LODESTONE_")}
        environment |= {
            "LODESTONE_DATABASE_URL": terminal.database_url,
            "LODESTONE_TOKEN_KEYS": KEY,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **terminal.settings,
        }
        words = ["connect", "--user", "uwe", "--sharing", "private", "--no-browser", *flags]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "workers", *words],
            cwd=terminal.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        assert self._process.stderr.readline().startswith("sign in here")
        self.url = self._process.stderr.readline().strip()

    def paste(self, text: str) -> Done:
        out, err = self._process.communicate(text, timeout=60)
        return Done(self._process.returncode, out, err)


def test_without_a_browser_the_address_is_pasted(terminal: Terminal) -> None:
    typing = Typing(terminal)
    assert "redirect_uri=http%3A%2F%2F127.0.0.1%2F&" in typing.url
    _, place = visit(typing.url)
    done = typing.paste(f" {place} \n")
    assert (done.code, done.out) == (0, f"{UWE} is connected for uwe: nothing switched on\n")


@pytest.mark.parametrize("pasted", ["", "http://127.0.0.1/?state=s&code=4/x\n", "http://[\n"])
def test_what_is_not_the_address_is_refused_and_nothing_stays(terminal: Terminal, pasted: str) -> None:
    done = Typing(terminal).paste(pasted)
    assert done.code == 2
    assert done.err.endswith("lodestone: that is not the address this sign-in led to: begin again\n")
    assert rows(terminal) == (0, 0)


class TestKeys:
    """`lodestone keys rotate`."""

    @pytest.fixture
    def keys(self) -> dict[str, str]:
        """Settings with a new key before the old one, with the new one alone, with one that is strange."""
        new, other = Fernet.generate_key().decode(), Fernet.generate_key().decode()
        return {"both": f"{new},{KEY}", "new": new, "other": other}

    def test_after_a_rotation_the_old_key_is_not_needed(
        self, terminal: Terminal, keys: dict[str, str], google: GmailControl
    ) -> None:
        connect(terminal)
        alone = with_settings(terminal, LODESTONE_TOKEN_KEYS=keys["new"])
        early = connect(alone)
        line = "lodestone: a stored token cannot be read with the keys in LODESTONE_TOKEN_KEYS\n"
        assert (early.code, early.err) == (2, line), "nobody is asked to sign in again"
        both = with_settings(terminal, LODESTONE_TOKEN_KEYS=keys["both"])
        killed = with_settings(both, LODESTONE_DIE_AT="keys.rotate.before").run("keys", "rotate")
        assert killed.code == -SIGKILL
        done = both.run("keys", "rotate")
        assert (done.code, done.out) == (
            0,
            "now under the first key: grants 1, channels 0, sign-ins 0, organisation-keys 0\n",
        )
        again: Any = both.run("keys", "rotate", "--json").json
        assert again["renewed"] == {"grants": 0, "channels": 0, "sign-ins": 0, "organisation-keys": 0}
        late = connect(alone)
        assert (late.code, "lodestone: " in late.err) == (0, False)

    def test_what_no_key_reads_is_told_and_stays(self, terminal: Terminal, keys: dict[str, str]) -> None:
        connect(terminal)
        done = with_settings(terminal, LODESTONE_TOKEN_KEYS=keys["other"]).run("keys", "rotate")
        assert done.code == 2
        assert "1 stored values cannot be read with the keys in LODESTONE_TOKEN_KEYS" in done.err
        assert connect(terminal).code == 0
