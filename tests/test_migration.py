"""`make migration` begins one that stands as it is: it can be gone up and back, and its example is missed."""

import shutil
import subprocess
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect

from infra.db.tables.mailboxes import mailboxes
from infra.db.tables.schema import HEAD
from tests.migration import ROOT, begin


def test_the_next_migration_is_begun_in_the_house_s_shape(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "infra" / "db", tmp_path / "infra" / "db")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    made = begin("Each channel has a name", tmp_path)
    number = f"{int(HEAD) + 1:04}"

    assert made.name == f"{number}_each_channel_has_a_name.py"
    assert made.read_text().startswith('"""Each channel has a name"""\n')
    assert f'HEAD = "{number}"' in (tmp_path / "infra" / "db" / "tables" / "schema.py").read_text()
    for words in (("check",), ("format", "--check")):
        judged = [sys.executable, "-m", "ruff", *words, "--no-cache", str(made)]
        assert subprocess.run(judged, cwd=tmp_path, check=False).returncode == 0

    engine = create_engine(f"sqlite:///{tmp_path / 'lodestone.db'}")
    config = Config()
    config.set_main_option("script_location", str(tmp_path / "infra" / "db" / "migrations"))
    with engine.connect() as db:
        config.attributes["connection"] = db
        command.upgrade(config, "head")
        up = {column["name"] for column in inspect(db).get_columns("mailboxes")}
        command.downgrade(config, HEAD)
        back = {column["name"] for column in inspect(db).get_columns("mailboxes")}
    engine.dispose()
    assert up - back == {"example"}
    assert back == {*mailboxes.c.keys()}
