"""Every command stands in the table, and its help shows an example: what adding one is not finished without."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from workers.cli import app
from workers.cli.app import MODULES

FOLDER = Path(app.__file__).parent


def commands(module: str) -> dict[str, Any]:
    """Those of the module, by name, groups as they are."""
    made = typer.Typer(callback=lambda: None)
    import_module(f"workers.cli.{module}").add_to(made)
    group: Any = typer.main.get_command(made)
    return dict(group.commands)


def told(words: str, command: Any) -> Iterator[tuple[str, str]]:
    """What is typed, and its help; of a group that of each command in it too."""
    yield words, command.help or ""
    for name, one in getattr(command, "commands", {}).items():
        yield from told(f"{words} {name}", one)


def test_every_module_with_commands_is_in_the_table_and_no_other() -> None:
    found = {
        ".".join(file.relative_to(FOLDER).with_suffix("").parts)
        for file in FOLDER.rglob("*.py")
        if "\ndef add_to(" in file.read_text()
    }

    assert found == MODULES.keys()


@pytest.mark.parametrize("module", MODULES)
def test_the_table_has_the_commands_of_a_module_and_each_shows_an_example(module: str) -> None:
    found = commands(module)

    assert set(found) == set(MODULES[module])
    for name, command in found.items():
        for words, text in told(f"lodestone {name}", command):
            assert words in text.partition("Example")[2], f"{words} --help has no example of itself"


def test_help_imports_nothing_that_only_running_a_command_needs() -> None:
    """Database, Redis, Google's libraries and settings take seconds to import."""
    said = "import sys; from workers.cli.app import build; build(None); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", said], cwd=FOLDER.parents[1], capture_output=True, text=True, check=True
    )
    heavy = {
        "sqlalchemy",
        "redis",
        "dramatiq",
        "google",
        "googleapiclient",
        "cryptography",
        "pydantic_settings",
    }

    assert not heavy & set(done.stdout.split())
