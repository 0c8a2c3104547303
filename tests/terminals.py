"""`lodestone` commands as processes of their own, forked from one that has imported everything."""

import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.worlds import KEY

_forkserver = multiprocessing.get_context("forkserver")
_forkserver.set_forkserver_preload(["workers.cli"])


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended and what it said."""

    code: int | None
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed with --json."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Terminal:
    """A shell in a folder, with a database and further settings in its environment."""

    folder: Path
    database_url: str
    settings: Mapping[str, str]

    def run(self, *words: str) -> Done:
        """Run a command to its end."""
        environment = {
            "LODESTONE_DATABASE_URL": self.database_url,
            "LODESTONE_TOKEN_KEYS": KEY,
            **self.settings,
        }
        with tempfile.TemporaryDirectory() as told:
            process = _forkserver.Process(target=_run, args=(words, str(self.folder), environment, told))
            process.start()
            process.join(60)
            code = process.exitcode
            if code is None:
                process.kill()
                process.join()
            process.close()
            return Done(code, *(Path(told, name).read_text() for name in ("out", "err")))


def _run(words: Sequence[str], folder: str, environment: Mapping[str, str], told: str) -> None:
    for name in [name for name in os.environ if name.startswith(("LODESTONE_", "DATABASE_URL", "REDIS_URL"))]:
        del os.environ[name]
    os.environ.update(environment)
    os.chdir(folder)
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(f"{told}/{name}", os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    sys.argv = ["lodestone", *words]
    from workers.cli import main

    main()
