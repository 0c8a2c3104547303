"""`make quick` finds the tests of a change where the way to them can be followed, and ends in time."""

import os
import subprocess
import sys
from pathlib import Path

from tests.quick import AT_MOST, ROOT, SAID, changed, near


def test_the_tests_of_a_change_are_found_by_name_by_imports_and_by_what_they_read() -> None:
    here = {
        "domain/quota.py": ["tests/domain/test_quota.py", "tests/handlers/test_units.py"],
        "handlers/outbox/drafts.py": ["tests/handlers/test_sending.py", "tests/workers/test_cli_sending.py"],
        "handlers/sorting/sort.py": ["tests/handlers/test_sorting.py"],
        "infra/gmail/client.py": ["tests/infra/test_gmail.py", "tests/hostile/test_answers.py"],
        "infra/db/migrations/versions/0001_the_first_tables.py": ["tests/infra/db/test_migrations.py"],
        "workers/cli/quota.py": ["tests/workers/test_cli_quota.py"],
        "docs/CRM.md": ["tests/workers/test_crm_actors.py"],
        "tests/hostile/conftest.py": ["tests/hostile/test_corpus.py"],
        "tests/journeys/test_run.py": ["tests/journeys/test_run.py"],
    }
    for file, tests in here.items():
        found = near([file])
        assert {*tests} <= {*found}, file
        assert len(found) == len({*found}), file
    assert not [one for one in near(["infra/db/store.py"]) if one.startswith("tests/journeys/")]
    assert near([]) == []


def test_the_nearest_come_first() -> None:
    assert near(["domain/quota.py"])[0] == "tests/domain/test_quota.py"
    assert near(["domain/quota.py", "tests/infra/test_secrets.py"])[0] == "tests/infra/test_secrets.py"
    assert "tests/handlers/test_sorting.py" in near(["handlers/sorting/sort.py"])[:AT_MOST]


def test_changed_is_what_differs_from_where_the_branch_left_main(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=Uwe", "-c", "user.email=uwe@firm.example")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)  # noqa: S607

    def commit(name: str, text: str) -> None:
        (tmp_path / name).write_text(text)
        git("add", name)
        git("commit", "-m", name)

    assert changed(tmp_path) == ("", [])
    git("init", "-b", "main")
    for name in ("kept", "edited", "gone", "of_main"):
        commit(name, "1")
    git("checkout", "-b", "mine")
    commit("committed", "1")
    git("checkout", "main")
    commit("of_main", "2")
    git("checkout", "mine")
    (tmp_path / "edited").write_text("2")
    (tmp_path / "gone").unlink()
    (tmp_path / "new").write_text("1")

    assert changed(tmp_path)[1] == ["committed", "edited", "gone", "new"]
    git("checkout", "--force", "main")
    assert changed(tmp_path)[1] == ["new"]


def test_what_does_not_begin_in_time_is_said_and_not_run() -> None:
    words = ["--noconftest", "-p", "tests.quick", "-n", "1", "-r", "s", "tests/domain/test_quota.py"]
    for seconds, said in (("0", "out of time: `make test` runs them"), ("60", " passed")):
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", *words],
            cwd=ROOT,
            env=os.environ | {SAID: seconds},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout
        assert said in ran.stdout
        assert (" skipped" in ran.stdout) is (seconds == "0")
