"""The Procfile's processes under honcho: one ends, all end. `python -m workers.demo.supervisor LOGS`."""

import shlex
import sys
from pathlib import Path
from typing import Any

from honcho.manager import Manager

from workers.demo.stage import PROCESSES, procfile


class LogFiles:
    """Where honcho prints: what a process says goes into a file of its own, as under a real supervisor."""

    def __init__(self, folder: Path) -> None:
        self.width = 0
        self._folder = folder

    def write(self, message: Any) -> None:
        """Append the line as it came; honcho's own words are kept beside."""
        data = message.data if isinstance(message.data, bytes) else message.data.encode()
        with (self._folder / f"{message.name}.log").open("ab") as log:
            log.write(data)


def main() -> int:
    """Run until SIGTERM or SIGINT, or until one of them ends; returns honcho's exit code."""
    manager = Manager(LogFiles(Path(sys.argv[1])))
    for name in PROCESSES:
        words = [sys.executable, "-m", "workers", *procfile()[name][1:]]
        manager.add_process(name, f"exec {shlex.join(words)}")
    manager.loop()
    return int(manager.returncode or 0)


if __name__ == "__main__":
    sys.exit(main())
