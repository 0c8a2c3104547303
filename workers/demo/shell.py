"""`lodestone` commands as somebody types them, one after the other, and how they end."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class CommandFailed(Exception):
    """A `lodestone` command ended with `code`, another one than 0; the text is what it said."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """What it printed with --json. Raises CommandFailed with its error line when there is none."""
        return json.loads(self.out) if self.out else self.good()

    @property
    def said(self) -> str:
        """Its last line on standard error: what was wrong, if anything was."""
        return self.err.strip().rpartition("\n")[2]

    def good(self) -> Self:
        """Raises CommandFailed with its error line when it failed."""
        if self.code:
            raise CommandFailed(self.err.strip() or self.out.strip(), self.code)
        return self


class Shell:
    """One process for many commands, because starting it costs the most; a context manager. What they log is
    kept in `log`."""

    def __init__(self, environment: Mapping[str, str], folder: Path, log: Path) -> None:
        self._environment = dict(environment)
        self._folder = folder
        self._log = log

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "workers.demo.commands"],
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for whoever entered it
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def ask(self, *words: str) -> CommandAnswer:
        """What a command prints and how it ends."""
        commands, answers = self._process.stdin, self._process.stdout
        if commands is None or answers is None:
            raise LookupError("the process has no pipes")
        commands.write(json.dumps(words) + "\n")
        commands.flush()
        line = answers.readline()
        if not line:
            raise CommandFailed(f"`lodestone {words[0]}` ended without an answer")
        answer = CommandAnswer(*json.loads(line))
        with self._log.open("a", encoding="utf-8") as log:
            log.write(answer.err)
        return answer

    def run(self, *words: str) -> CommandAnswer:
        """The same for one that is to succeed. Raises CommandFailed with its error line."""
        return self.ask(*words).good()
