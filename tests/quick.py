"""The tests of what has changed, nearest first and not for long: `python -m tests.quick`, which `make quick` runs.

Changed is what differs from where this branch has left main, on main itself from the last commit; new files too.
Its tests are, by how near they are:

0. test modules that have changed, and those below a conftest.py that has;
1. those of its name: of any sending.py test_sending.py and test_cli_sending.py; of a file that is no module those
   that name it; and those that import it;
2. and 3. those that import a module that imports it, with one or two modules in between.

The house's own, tests/test_*.py, always run. What is further than the nearest AT_MOST is told of and left out, for to
collect them all would take the time that there is. So are the long ones (AFAR), unless they have changed themselves.
What only a fixture brings along is not seen, nor what is loaded by its name, but for LOADED; nor what a change of a
library or of SQL does further away. `make test` sees all of it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.test_layers import OURS, imports, modules, name_of

ROOT = Path(__file__).parents[1]

FURTHEST = 3
AT_MOST = 40
"""Modules."""

SECONDS = 35
"""From the first test until no further one is begun, in each process; so the nearest run on a slow machine too."""

SAID = "QUICK_SECONDS"
"""Tells it to the processes that run the tests."""

PROCESSES = 2
"""Each imports and collects everything once more."""

AFAR = ("tests/journeys/", "tests/chaos/", "tests/bench/", "tests/scale/")
LOADED = {"infra.db.migrations.": "infra.db.migrate", "workers.cli.": "workers.cli.app"}
"""What is loaded by its name, and by whom."""

MAINS = ("main", "origin/main")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """This module is a plugin of the test processes too: what comes too late needs no fixture. The first one runs."""
    if item.path.parent != ROOT / "tests" and time.monotonic() >= _until():
        pytest.skip("out of time: `make test` runs them")


@cache
def _until() -> float:
    return time.monotonic() + float(os.environ[SAID])


def main() -> int:
    base, files = changed(ROOT)
    if not base:
        sys.stderr.write(
            "git knows no commit here, so nobody can tell what has changed: `make test` runs all\n"
        )
        return 2
    house, its = _house(), [test for test in near(files) if test not in _house()]
    sys.stdout.write(
        f"Changed since {base}: {len(files)}. The nearest {min(len(its), AT_MOST)} of {len(its)} test modules and"
        f" the house's own, for {SECONDS} s. Left out: {', '.join(folder.rstrip('/') for folder in AFAR)}.\n"
    )
    sys.stdout.flush()
    words = [
        *("-p", "tests.quick", "-n", str(PROCESSES)),
        *("--dist", "load", "--maxschedchunk", "4", "-r", "fEs"),
    ]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *words, *its[:AT_MOST], *house],
        cwd=ROOT,
        env=os.environ | {SAID: str(SECONDS)},
        check=False,
    )
    return ran.returncode


def changed(root: Path) -> tuple[str, list[str]]:
    """The commit, and the files that differ from it, gone and new ones too."""
    base = next(filter(None, (_git(root, "merge-base", "HEAD", main) for main in MAINS)), "HEAD")
    told = _git(root, "diff", "--name-only", "--no-renames", base)
    new = _git(root, "ls-files", "--others", "--exclude-standard")
    return _git(root, "rev-parse", "--short", base), sorted({*told.splitlines(), *new.splitlines()})


def _git(root: Path, *words: str) -> str:
    """What git says, nothing where it fails."""
    said = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)  # noqa: S607
    return said.stdout.strip()


def near(files: Collection[str]) -> list[str]:
    """The test modules of these, the nearest first; of those as near as each other the changed layer's first, and among
    them those of the same name."""
    layers = {file.partition("/")[0] for file in files}
    found: dict[str, int] = {}
    for file in files:
        for test, steps in _tests_of(file):
            found[test] = min(steps, found.get(test, steps))
    names = {Path(file).stem for file in files}
    return sorted(
        found,
        key=lambda one: (found[one], one.split("/")[1] not in layers, _name_of_test(one) not in names, one),
    )


def _tests_of(file: str) -> Iterator[tuple[str, int]]:
    path = Path(file)
    for test in _tests():
        beneath = path.name == "conftest.py" and test.startswith(f"{path.parent}/")
        if test == file or (beneath and not test.startswith(AFAR)):
            yield test, 0
        elif not test.startswith(AFAR) and (_shares_name(path, Path(test)) or _names(path, ROOT / test)):
            yield test, 1
    if path.suffix == ".py":
        for module, steps in _reached(name_of(ROOT / file)).items():
            test = f"{module.replace('.', '/')}.py"
            if test in _tests() and not test.startswith(AFAR):
                yield test, steps


def _shares_name(changed: Path, test: Path) -> bool:
    return _name_of_test(test) == changed.stem


def _name_of_test(test: str | Path) -> str:
    return Path(test).stem.removeprefix("test_").removeprefix("cli_")


def _names(changed: Path, test: Path) -> bool:
    return changed.suffix != ".py" and changed.name in test.read_text()


def _reached(module: str) -> Mapping[str, int]:
    """Who imports the module, by how many imports. A package hands on what is in it: that is no step."""
    found, ring = {module: 0}, {module}
    for steps in range(1, FURTHEST + 1):
        ring = {one for known in ring for one in _importers(known)} - found.keys()
        found |= dict.fromkeys(ring, steps)
    return found


def _importers(module: str) -> set[str]:
    by = _imported_by()
    found = by.get(module, set())
    packages = {one for one in found if (ROOT / one.replace(".", "/")).is_dir()}
    return found | {further for package in packages for further in by.get(package, set())}


@cache
def _imported_by() -> Mapping[str, set[str]]:
    """By module those that import it."""
    files = {name_of(file): file for file in modules(*OURS)}
    found: dict[str, set[str]] = {}
    for name, file in files.items():
        for other in imports(file):
            found.setdefault(other, set()).add(name)
    for prefix, loader in LOADED.items():
        for name in files:
            if name.startswith(prefix) and name != loader:
                found.setdefault(name, set()).add(loader)
    return found


def _house() -> list[str]:
    return [one for one in _tests() if one.count("/") == 1]


@cache
def _tests() -> tuple[str, ...]:
    return tuple(str(file.relative_to(ROOT)) for file in modules("tests") if file.name.startswith("test_"))


if __name__ == "__main__":
    sys.exit(main())
