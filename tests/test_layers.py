"""The house stands: imports point inwards, and no module is longer than a reader's patience (DESIGN §2)."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("domain", "handlers", "infra", "workers", "tests")
MAX_LINES = 300

MAY_IMPORT = {
    "domain": {"domain"},
    "handlers": {"domain", "handlers"},
    "infra": {"domain", "infra"},
    "infra.local": {"infra.local"},
    "workers": {"domain", "handlers", "infra", "workers", "workers.cli.demo"},
    "workers.demo": {"domain", "handlers", "infra", "infra.local", "workers", "workers.demo"},
    "workers.cli.demo": {"infra.local", "workers", "workers.demo"},
}
"""Who may import whom. A part that has an entry of its own is meant by that entry alone."""

HANDLERS_NEED = {"structlog"}
"""The one library below infra: handlers say what they did."""


def modules(*parts: str) -> list[Path]:
    return sorted(file for part in parts for file in (ROOT / part).rglob("*.py"))


def name_of(file: Path) -> str:
    """`infra.db.store` for infra/db/store.py."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def part_of(module: str) -> str:
    """The longest part with an entry: `infra.local` for `infra.local.redis`, `infra` for `infra.queue`."""
    parts = [part for part in (*MAY_IMPORT, *OURS) if module == part or module.startswith(f"{part}.")]
    return max(parts, key=len, default=module.partition(".")[0])


def imports(file: Path) -> Iterator[str]:
    """Every module that the file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_walk_sees_the_whole_house() -> None:
    found = {name_of(file) for file in modules(*OURS)}

    assert {"domain.labels", "handlers.work", "infra.db.store", "workers.cli", "tests.test_layers"} <= found


@pytest.mark.parametrize("file", modules("domain", "handlers", "infra", "workers"), ids=name_of)
def test_imports_point_inwards(file: Path) -> None:
    allowed = MAY_IMPORT[part_of(name_of(file))]
    ours = {part_of(module) for module in imports(file) if module.partition(".")[0] in OURS}

    assert ours <= allowed


@pytest.mark.parametrize("file", modules("domain", "handlers"), ids=name_of)
def test_below_infra_there_is_the_standard_library_only(file: Path) -> None:
    foreign = {module.partition(".")[0] for module in imports(file)} - {*OURS, *sys.stdlib_module_names}

    assert foreign <= (HANDLERS_NEED if part_of(name_of(file)) == "handlers" else set())


@pytest.mark.parametrize("file", modules("domain"), ids=name_of)
def test_the_rules_do_not_touch_the_machine(file: Path) -> None:
    machine = {
        "os",
        "io",
        "pathlib",
        "socket",
        "subprocess",
        "threading",
        "asyncio",
        "random",
        "time",
        "logging",
    }

    assert {module.partition(".")[0] for module in imports(file)} & machine == set()


@pytest.mark.parametrize("file", modules("domain", "handlers", "infra", "workers"), ids=name_of)
def test_no_module_is_too_long(file: Path) -> None:
    if "migrations" in file.parts:
        return
    assert len(file.read_text().splitlines()) <= MAX_LINES
