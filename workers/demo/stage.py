"""Everything Lodestone needs, as real processes on this machine: Redis, Pub/Sub, Gmail, a database, itself."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.fernet import Fernet

from infra.local.gmail import GmailControl
from infra.local.ports import HeldPort, ServerProcess, is_open, wait_until
from infra.local.redis import RedisServer
from workers.demo.shell import CommandAnswer, Shell
from workers.demo.shell import CommandFailed as CommandFailed

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = ("dispatcher", "worker", "sweep", "notifier")
START_SECONDS = 60.0


def procfile() -> dict[str, list[str]]:
    """The Procfile's processes and their commands."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    return {name: shlex.split(command) for name, _, command in (line.partition(": ") for line in lines)}


class Stage:
    """A folder with a running world in it. `settings` are LODESTONE_… values on top of the stage's own.

    Entering starts the surroundings and migrates the database; `start` starts Lodestone's own processes.
    """

    def __init__(self, folder: Path, *, database_url: str | None = None, **settings: str) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.redis_folder = folder / "redis"
        self.pubsub_folder = folder / "pubsub"
        self.redis = RedisServer(self.redis_folder)
        self.database_url = database_url or f"sqlite:///{folder / 'lodestone.db'}"
        self.settings = settings
        self.servers: dict[str, ServerProcess] = {}
        self._held = {"pubsub": HeldPort(), "gmail": HeldPort()}
        self._ports = {name: held.number for name, held in self._held.items()}
        self._key = Fernet.generate_key().decode()
        self.gmail = GmailControl(f"http://127.0.0.1:{self._ports['gmail']}/")

    @property
    def own_settings(self) -> dict[str, str]:
        """The settings of Lodestone's processes on this stage."""
        own = {
            "LODESTONE_DATABASE_URL": self.database_url,
            "LODESTONE_REDIS_URL": self.redis.url,
            "LODESTONE_TOKEN_KEYS": self._key,
            "LODESTONE_PUBSUB_PROJECT": "lodestone",
            "LODESTONE_GMAIL_ENDPOINT": self.gmail.base_url + "/",
            "LODESTONE_OBJECTS": str(self.folder / "objects"),
        }
        return own | {f"LODESTONE_{name.upper()}": value for name, value in self.settings.items()}

    @property
    def environment(self) -> dict[str, str]:
        """What Lodestone's processes see: none of the settings of the shell they were started from."""
        foreign = ("LODESTONE_", "DATABASE_URL", "REDIS_URL", "PUBSUB_EMULATOR_HOST")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        place = {
            "PUBSUB_EMULATOR_HOST": self.pubsub_host,
            "PYTHONUNBUFFERED": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', '')}",
        }
        return inherited | place | self.own_settings

    @property
    def pubsub_host(self) -> str:
        """HOST:PORT of the local Pub/Sub."""
        return f"127.0.0.1:{self._ports['pubsub']}"

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        try:
            self.redis.start()
            self._spawn_pubsub()
            self._spawn_gmail()
            self._await("pubsub")
            self._await("gmail")
            self.run_all(procfile()["release"][1:], ["topic"])
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything, ours first, in order."""
        ours = [name for name in self.servers if name not in self._ports]
        for name in (*ours, *(name for name in self._ports if name in self.servers)):
            self.stop(name)
        self.redis.stop()
        for held in self._held.values():
            held.close()

    def start_pubsub(self) -> None:
        """Pub/Sub on its port, the same again after a stop, with what it had."""
        self._spawn_pubsub()
        self._await("pubsub")

    def start_gmail(self) -> None:
        """Gmail on its port; its mailboxes live as long as the process."""
        self._spawn_gmail()
        self._await("gmail")

    def start(self, *names: str, **extra: str) -> None:
        """Start processes of the Procfile, all without names; `extra` goes into their environment."""
        commands = procfile()
        for name in names or PROCESSES:
            self._spawn(name, [sys.executable, "-m", "workers", *commands[name][1:]], extra)

    def supervise(self, **extra: str) -> None:
        """Start all processes of the Procfile under honcho, as one server "supervisor"; `extra` as in `start`."""
        self._spawn("supervisor", [sys.executable, "-m", "workers.demo.supervisor", str(self.logs)], extra)

    def make_oauth_client(self) -> None:
        """From now on users can sign in on the local Google's page."""
        file = self.folder / "client_secret.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(self.gmail.client_file()))
        self.settings["oauth_client_file"] = str(file)

    def keep_settings(self) -> Path:
        """Write a .env, so that `lodestone explain …` works in the folder when all this is over."""
        file = self.folder / ".env"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}={value}\n" for name, value in self.own_settings.items()))
        return file

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End a process; SIGKILL is a crash."""
        self.servers.pop(name).stop(how, seconds=30)

    def run(self, *words: str, **extra: str) -> str:
        """What a `lodestone` command prints. Raises CommandFailed with its error line."""
        return self.ask(*words, **extra).good().out

    def ask(self, *words: str, **extra: str) -> CommandAnswer:
        """All that a `lodestone` command says, and how it ended."""
        done = subprocess.run(
            [sys.executable, "-m", "workers", *words],
            env=self.environment | extra,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return CommandAnswer(done.returncode, done.stdout, done.stderr)

    def shell(self, **extra: str) -> Shell:
        """A process for many commands."""
        return Shell(self.environment | extra, self.folder, self.logs / "commands.log")

    def run_all(self, *commands: Sequence[str]) -> None:
        """Several commands, one after the other until one fails."""
        with self.shell() as shell:
            for words in commands:
                shell.run(*words)

    def connect(self, user: str, address: str, *options: str, aliases: Collection[str] = ()) -> None:
        """A new mailbox at the local Gmail, connected for the user with the options of `lodestone connect`."""
        self.run("connect", *self.sign_in(user, address, aliases), *options)

    def sign_in(self, user: str, address: str, aliases: Collection[str] = ()) -> list[str]:
        """A new mailbox, and the user's grant for it as words of `lodestone connect`."""
        token = self.folder / f"{user} in {address}.token.json"
        token.touch(mode=0o600)
        token.write_text(json.dumps(self.gmail.create_mailbox(address, aliases)))
        return ["--user", user, "--token-file", str(token), "--sharing", "private"]

    def _spawn_pubsub(self) -> None:
        words = ["--port", str(self._ports["pubsub"]), "--data", str(self.pubsub_folder)]
        self._spawn("pubsub", [sys.executable, "-m", "infra.local.pubsub", *words], {})

    def _spawn_gmail(self) -> None:
        words = ["--port", str(self._ports["gmail"]), "--pubsub", self.pubsub_host]
        self._spawn("gmail", [sys.executable, "-m", "infra.local.gmail", *words], {})

    def _await(self, name: str) -> None:
        port = self._ports[name]
        wait_until(lambda: is_open(port) or not self.servers[name].is_running(), seconds=START_SECONDS)
        if not (self.servers[name].is_running() and is_open(port)):
            raise CommandFailed(f"{name} did not start; see {self.logs / name}.log")

    def _spawn(self, name: str, command: list[str], extra: Mapping[str, str]) -> None:
        self.servers[name] = ServerProcess(
            command, log=self.logs / f"{name}.log", environment=self.environment | dict(extra)
        )
