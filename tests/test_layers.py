"""The house stands: imports point inwards, and no module is longer than a reader's patience."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.providers import registered

ROOT = Path(__file__).parents[1]
OURS = ("domain", "handlers", "infra", "workers", "tests")
MAX_LINES = 300

MAY_IMPORT = {
    "domain": {"domain"},
    "handlers": {"domain", "handlers"},
    "infra": {"domain", "infra"},
    "infra.local": {"infra.local"},
    "workers": {"domain", "handlers", "infra", "workers", "workers.cli.demo"},
    "workers.cli.demo": {"domain", "handlers", "infra", "infra.local", "workers", "workers.demo"},
    "workers.demo": {"domain", "handlers", "infra", "infra.local", "workers", "workers.demo"},
}
"""Who may import whom. A part that has an entry of its own is meant by that entry alone."""

HANDLERS_NEED = {"structlog"}
"""The one library below infra: handlers say what they did."""


PROVIDERS_WORDS = r"(?<![a-z])gmail|google|pub/?sub|history.?id|microsoft|outlook|\bgraph\b"
"""Of Gmail and Graph. The names, titles and companies of the registry's providers are found too."""

THE_PORTS = {"handlers/ports/capabilities.py", "handlers/ports/providers.py"}
"""Say of each call how each provider does it."""

NAMING_A_PROVIDER = {
    "domain/connections/connections.py": 2,  # the modes SYNC_GMAIL and SYNC_OUTLOOK (D1)
    "domain/crm/contacts.py": 3,  # D5: the step that compares such addresses
    "domain/explanations.py": 1,  # D5: the words for that step
    "domain/mail/addresses.py": 2,  # D5: a public domain whose addresses are the same wherever dots stand
    "domain/mail/authors.py": 2,  # E100: the header X-Google-Group-Id
    "domain/mail/public_mail.py": 3,  # E18: public mail services
}
"""Lines of domain/ and handlers/ that name a provider. The list may only shrink."""


THE_REGISTRY = "workers.providers"
"""Knows every provider's folder, and says there are no others."""

KNOWS_A_PROVIDER = {
    "workers.cli.processes": "`lodestone topic` makes what Google pushes to",
    "workers.cli.setup": "`lodestone setup google` says what is to be made at Google's",
    "workers.demo.accounts": "the demo's user leaves a box of Google's page unticked",
    "workers.dispatcher": "it is Pub/Sub's process: no other way of pushing is there yet",
}
"""Who else imports from a provider's folder, and why. The list may only shrink."""


def modules(*parts: str) -> list[Path]:
    return sorted(file for part in parts for file in (ROOT / part).rglob("*.py"))


def name_of(file: Path) -> str:
    """`infra.db.store` for infra/db/store.py."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def part_of(module: str) -> str:
    """The longest part with an entry: `infra.local` for `infra.local.redis`, `infra` for `infra.queue`."""
    parts = [part for part in (*MAY_IMPORT, *OURS) if module == part or module.startswith(f"{part}.")]
    return max(parts, key=len, default=top_of(module))


def top_of(module: str) -> str:
    return module.partition(".")[0]


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

    assert {
        "domain.sorting.plans",
        "handlers.context",
        "infra.db.store",
        "workers.cli",
        "tests.test_layers",
    } <= found


def test_imports_point_inwards() -> None:
    wrong = {
        name_of(file): astray
        for file in modules("domain", "handlers", "infra", "workers")
        if (astray := _ours(file) - MAY_IMPORT[part_of(name_of(file))])
    }
    assert wrong == {}


def test_below_infra_there_is_the_standard_library_only() -> None:
    wrong = {}
    for file in modules("domain", "handlers"):
        known = {*OURS, *sys.stdlib_module_names} | (HANDLERS_NEED if "handlers" in file.parts else set())
        if foreign := {top_of(module) for module in imports(file)} - known:
            wrong[name_of(file)] = foreign
    assert wrong == {}


def test_the_rules_do_not_touch_the_machine() -> None:
    machine = {
        "asyncio",
        "io",
        "logging",
        "os",
        "pathlib",
        "random",
        "socket",
        "subprocess",
        "threading",
        "time",
    }
    wrong = {name_of(file) for file in modules("domain") if machine & {top_of(m) for m in imports(file)}}

    assert wrong == set()


def test_no_module_is_too_long() -> None:
    lengths = {
        name_of(file): len(file.read_text().splitlines())
        for file in modules("domain", "handlers", "infra", "workers")
        if "migrations" not in file.parts
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_command_imports_another_commands_module() -> None:
    """What several need stands in workers/cli/terminal, or beside them under its noun."""
    files = modules("workers/cli")
    commands = {name_of(file) for file in files if "\ndef add_to(" in file.read_text()}
    wrong = {
        name_of(file): others
        for file in files
        if (others := commands & {*imports(file)} - {name_of(file), "workers.cli.app"})
    }
    assert len(commands) > 15
    assert wrong == {}


def test_rules_and_handlers_name_no_provider() -> None:
    names = {name for one in registered() for name in (one.name, one.title, one.company)}
    known = "|".join(map(re.escape, names))
    words = re.compile(f"{PROVIDERS_WORDS}|(?<![a-z])(?:{known})(?![a-z])", re.IGNORECASE)
    named = {
        str(file.relative_to(ROOT)): sum(1 for _ in filter(words.search, file.read_text().splitlines()))
        for file in modules("domain", "handlers")
    }
    more = {name: lines for name, lines in named.items() if lines > NAMING_A_PROVIDER.get(name, 0)}

    assert set(more) <= THE_PORTS


def test_a_provider_is_known_to_its_own_folder_and_the_registry() -> None:
    knowing = {
        name_of(file)
        for file in modules("domain", "handlers", "infra", "workers")
        for folder in providers()
        if not f"{name_of(file)}.".startswith(folder) and any(m.startswith(folder) for m in imports(file))
    }
    assert knowing - {THE_REGISTRY} == set(KNOWS_A_PROVIDER)


def test_a_providers_folder_has_its_name() -> None:
    assert {f"infra.{one.name}." for one in registered()} == providers()


def providers() -> set[str]:
    """The folders that the registry imports, as `infra.gmail.`."""
    folders = {
        module.split(".")[1] for module in imports(file_of(THE_REGISTRY)) if module.startswith("infra.")
    }
    return {f"infra.{folder}." for folder in folders if (ROOT / "infra" / folder).is_dir()}


def file_of(module: str) -> Path:
    return (ROOT / module.replace(".", "/")).with_suffix(".py")


def _ours(file: Path) -> set[str]:
    return {part_of(module) for module in imports(file) if top_of(module) in OURS}
