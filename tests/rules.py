"""Which test proves which rule: `python -m tests.rules` prints it.

Fails when a rule that docs/BEHAVIOUR.md calls built (Part K) has no test that must pass, and when a test
names a rule that does not exist. A test says `@pytest.mark.rule("D3-7", "Z22")`, a case of it
`pytest.param(…, marks=pytest.mark.rule("D3-7"))`.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BEHAVIOUR = ROOT / "docs" / "BEHAVIOUR.md"

_ID = r"[A-Z]\d+(?:-\d+[a-z]?|a)?"
_RANGE = re.compile(rf"({_ID})(?: to ({_ID}))?")
_NAMED = re.compile(r"^- \*\*([A-Z]\d+a?)\*\*|^### (D\d+)\.", re.MULTILINE)


def built(text: str) -> list[str]:
    """The ids that Part K lists, ranges written out, in the order of writing."""
    _, _, part = text.partition("\n## Part K.")
    rows = re.findall(r"^\|[^|]+\|([^|]+)\|$", part, re.MULTILINE)
    return [rule for row in rows for match in _RANGE.finditer(row) for rule in _written_out(*match.groups())]


def known(text: str) -> set[str]:
    """What a test may name: every rule and table of the file, and what Part K lists."""
    rules = {rule for match in _NAMED.finditer(text) for rule in match.groups() if rule}
    return rules | set(built(text))


def _written_out(first: str, last: str | None) -> Iterator[str]:
    """`Z29 to Z31` and `D9-1 to D9-4`: only the last number counts up."""
    if last is None:
        yield first
        return
    stem, low = re.fullmatch(r"(.*?)(\d+)", first, re.DOTALL).groups()  # type: ignore[union-attr]
    for number in range(int(low), int(last.removeprefix(stem)) + 1):
        yield f"{stem}{number}"


class Collector:
    """A pytest plugin that notes which collected test names which rule."""

    def __init__(self) -> None:
        self.proofs: dict[str, dict[str, int]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            if item.get_closest_marker("xfail") or item.get_closest_marker("skip"):
                continue
            test = item.nodeid.partition("[")[0]
            for rule in {rule for marker in item.iter_markers("rule") for rule in marker.args}:
                cases = self.proofs.setdefault(rule, {})
                cases[test] = cases.get(test, 0) + 1


def main() -> int:
    text = BEHAVIOUR.read_text()
    collector = Collector()
    with redirect_stdout(StringIO()):
        code = pytest.main(["--collect-only", "-n0", "-qq", str(ROOT / "tests")], plugins=[collector])
    if code:
        return _say(f"the tests cannot be collected ({code!r}): run pytest --collect-only")
    for rule in sorted(collector.proofs, key=_in_order):
        for test, cases in sorted(collector.proofs[rule].items()):
            sys.stdout.write(f"{rule:<6} {test}{f' ({cases})' if cases > 1 else ''}\n")
    unproven = [rule for rule in built(text) if rule not in collector.proofs]
    unheard = sorted(collector.proofs.keys() - known(text), key=_in_order)
    if unproven or unheard:
        return _say(
            *([f"built, but without a test: {', '.join(unproven)}"] if unproven else ()),
            *([f"named by a test, but no rule: {', '.join(unheard)}"] if unheard else ()),
        )
    sys.stdout.write(f"\nall {len(built(text))} built rules have tests\n")
    return 0


def _in_order(rule: str) -> tuple[str, list[int]]:
    return rule[:1], [int(number) for number in re.findall(r"\d+", rule)]


def _say(*lines: str) -> int:
    sys.stdout.flush()
    sys.stderr.write("".join(f"rules: {line}\n" for line in lines))
    return 1


if __name__ == "__main__":
    sys.exit(main())
