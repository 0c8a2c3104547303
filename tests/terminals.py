"""`lodestone` commands as processes of their own, forked from one that has imported everything."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import json_page
from tests.forks import fork_command
from tests.worlds import KEY


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
    """A shell in a folder, with a database and further settings in its environment. What a command prints with --json
    is what docs/JSON.md says."""

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
            process = fork_command(words, environment, self.folder, Path(told))
            process.join(120)
            code = process.exitcode
            if code is None:
                process.kill()
                process.join()
            process.close()
            done = Done(code, *(Path(told, name).read_text() for name in ("out", "err")))
        if "--json" in words and done.out:
            json_page.check(words, done.json)
        return done
