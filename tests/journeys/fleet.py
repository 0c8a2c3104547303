"""Lodestone's processes, forked from one that has imported everything: a crash test needs a hundred of them."""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from multiprocessing.context import ForkServerProcess

from workers.demo.stage import PROCESSES, Stage

forkserver = multiprocessing.get_context("forkserver")
"""Its processes have imported all of ours."""
forkserver.set_forkserver_preload([f"workers.{name}" for name in PROCESSES])


class Fleet:
    """The processes of one stage, by name; each may be made to die at a fault point."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._running: dict[str, ForkServerProcess] = {}

    def start(self, name: str, **extra: str) -> ForkServerProcess:
        """Start a process of the Procfile; one that runs under this name is killed first."""
        self.kill(name)
        log = str(self._stage.logs / f"{name}.log")
        process = forkserver.Process(
            target=_run, args=(name, self._stage.environment | extra, log), daemon=True
        )
        process.start()
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


def _run(name: str, environment: Mapping[str, str], log: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())
    import_module(f"workers.{name}").main()
