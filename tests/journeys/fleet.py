"""Lodestone's processes on a stage, forked and killed by name."""

from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.forks import fork_process
from tests.journeys.world import PATIENT
from tests.terminals import Terminal
from workers.demo.shell import CommandAnswer
from workers.demo.stage import Stage


class ForkedStage(Stage):
    """A stage whose commands are forked too."""

    def run(self, *words: str, **extra: str) -> str:
        done = Terminal(self.folder, self.database_url, self.environment | PATIENT | extra).run(*words)
        return CommandAnswer(1 if done.code is None else done.code, done.out, done.err).good().out

    def run_all(self, *commands: Sequence[str]) -> None:
        for words in commands:
            self.run(*words)


class Fleet:
    """The processes of one stage, by name; each may be made to die at a fault point."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._running: dict[str, ForkServerProcess] = {}

    def start(
        self, name: str, *, log: Path | None = None, doomed: str = "", **extra: str
    ) -> ForkServerProcess:
        """Start a process of the Procfile; one that runs under this name is killed first. `log` and `doomed` as of
        fork_process."""
        self.kill(name)
        log = log or self._stage.logs / f"{name}.log"
        process = fork_process(name, self._stage.environment | extra, log, doomed)
        self._running[name] = process
        return process

    def kill(self, name: str) -> None:
        """SIGKILL, if it runs."""
        process = self._running.pop(name, None)
        if process is not None:
            process.kill()
            process.join()
            process.close()

    def close(self) -> None:
        """Kill them all."""
        for name in list(self._running):
            self.kill(name)
