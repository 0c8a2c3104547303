"""Where Google's emulator is looked for."""

from pathlib import Path

import pytest

from infra.local.pubsub.emulator import JAR, find_emulator


def program(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o755)
    return file


def jar(home: Path) -> Path:
    return program(home / JAR.replace("*", "1.2.3"))


def test_the_jar_that_is_named_is_taken_before_all_others(tmp_path: Path) -> None:
    java = program(tmp_path / "bin/java")
    named = program(tmp_path / "emulator.jar")
    command = find_emulator(
        {"PATH": str(java.parent), "PUBSUB_EMULATOR_JAR": str(named), "CLOUDSDK_ROOT_DIR": str(jar(tmp_path))}
    )

    assert command is not None
    assert (command[0], command[-1]) == (str(java), str(named))


@pytest.mark.parametrize("by", ["CLOUDSDK_ROOT_DIR", "PATH"])
def test_the_jar_is_found_in_the_sdk_that_is_named_or_on_path(tmp_path: Path, by: str) -> None:
    sdk, java_home = tmp_path / "sdk", tmp_path / "java"
    program(java_home / "bin/java")
    gcloud = program(sdk / "bin/gcloud")
    found = jar(sdk)
    place = str(sdk) if by == "CLOUDSDK_ROOT_DIR" else str(gcloud.parent)
    command = find_emulator({"JAVA_HOME": str(java_home), by: place})

    assert command is not None
    assert (command[0], command[-1]) == (str(java_home / "bin/java"), str(found))


@pytest.mark.parametrize("missing", ["jar", "java"])
def test_without_jar_or_java_there_is_no_emulator(tmp_path: Path, missing: str) -> None:
    java = program(tmp_path / "bin/java")
    named = program(tmp_path / "emulator.jar")
    (named if missing == "jar" else java).unlink()

    assert find_emulator({"PATH": str(java.parent), "PUBSUB_EMULATOR_JAR": str(named)}) is None
