"""The documents lead to what is there, and `make help` to every target."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
DOCUMENTS = (CONTRIBUTING, ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

_FILE = re.compile(r"`((?:domain|handlers|infra|workers|tests|docs)/[\w/.*]+)(?:::(\w+))?`")

_MODULE = re.compile(r"`((?:domain|handlers|infra|workers)(?:\.[a-z]\w*)*)\.(\w+)`")


def targets() -> list[str]:
    [names] = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return str(names).split()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_every_file_module_and_test_that_a_document_names_is_there(document: Path) -> None:
    text = document.read_text()
    named = _FILE.findall(text)
    gone = [file for file, _ in named if not list(ROOT.glob(file))]
    unknown = [name for file, name in named if name and f"def {name}(" not in (ROOT / file).read_text()]
    lost = [f"{module}.{name}" for module, name in _MODULE.findall(text) if not _is_there(module, name)]

    assert (gone, unknown, lost) == ([], [], [])


def test_the_search_finds_what_documents_name() -> None:
    assert len(_FILE.findall(CONTRIBUTING.read_text())) > 30
    assert _is_there("domain.mailboxes.history", "Cursors")
    assert not _is_there("domain.mailboxes.history", "Nothing")


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


def _is_there(module: str, name: str) -> bool:
    """A module of this name, or something of this name within it."""
    path = ROOT.joinpath(*module.split("."))
    if (path / name).is_dir() or (path / f"{name}.py").exists():
        return True
    file = path.with_suffix(".py")
    return (
        file.exists()
        and re.search(rf"^(?:class |def |    def )?{name}\b", file.read_text(), re.MULTILINE) is not None
    )


def _code(text: str) -> list[str]:
    """What stands in backticks or in a block of code."""
    return [
        one for pair in re.findall(r"```\w*\n(.*?)```|`([^`\n]+)`", text, re.DOTALL) for one in pair if one
    ]
