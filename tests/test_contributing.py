"""CONTRIBUTING.md leads to what is there, and `make help` to every target."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"

_FILE = re.compile(r"`((?:domain|handlers|infra|workers|tests|docs)/[\w/.*]+)(?:::(\w+))?`")


def targets() -> list[str]:
    [names] = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return str(names).split()


def test_every_file_and_test_that_it_names_is_there() -> None:
    named = _FILE.findall(CONTRIBUTING.read_text())
    gone = [file for file, _ in named if not list(ROOT.glob(file))]
    unknown = [name for file, name in named if name and f"def {name}(" not in (ROOT / file).read_text()]

    assert len(named) > 30
    assert (gone, unknown) == ([], [])


def test_every_target_that_it_names_is_one() -> None:
    named = set(re.findall(r"\bmake ([a-z]+)\b", "\n".join(_code(CONTRIBUTING.read_text()))))

    assert named >= {"help", "quick", "fix", "one", "migration", "test", "rules"}
    assert named - {*targets()} == set()


def test_make_alone_tells_of_every_target() -> None:
    for words in ((), ("help",)):
        make = ["make", "--no-print-directory", *words]
        told = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert [line.split()[1] for line in told.splitlines()] == targets()
        assert all(len(line.split()) > 2 for line in told.splitlines())


def _code(text: str) -> list[str]:
    """What stands in backticks or in a block of code."""
    return [
        one for pair in re.findall(r"```\w*\n(.*?)```|`([^`\n]+)`", text, re.DOTALL) for one in pair if one
    ]
