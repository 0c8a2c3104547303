"""Google's own emulator, if the machine has it. The contract suite runs on it too."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from infra.local.ports import LOOPBACK, LocalServerError, ServerProcess, is_open, start_on_port

JAR = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"
USUAL_HOMES = (
    *(Path("/usr/lib/google-cloud-sdk"), Path("/usr/share/google-cloud-sdk"), Path("/opt/google-cloud-sdk")),
    *(Path("/usr/local/google-cloud-sdk"), Path("/opt/homebrew/share/google-cloud-sdk")),
    *(Path("/snap/google-cloud-cli/current"), Path.home() / "google-cloud-sdk"),
)


def find_emulator(environment: Mapping[str, str] = os.environ) -> list[str] | None:
    """The command that runs the jar of the gcloud component `pubsub-emulator`; None without it or Java.

    The jar is PUBSUB_EMULATOR_JAR, or is found in CLOUDSDK_ROOT_DIR, beside the `gcloud` on PATH or in the usual
    folders. Java is that of JAVA_HOME or on PATH.
    """
    path = environment.get("PATH")
    java_home = environment.get("JAVA_HOME")
    java = shutil.which("java", path=f"{java_home}/bin" if java_home else path)
    jar = next((jar for jar in _jars(environment, path) if jar.is_file()), None)
    return [java, "-Xmx256m", "-XX:+UseSerialGC", "-jar", str(jar)] if java and jar else None


def _jars(environment: Mapping[str, str], path: str | None) -> Iterator[Path]:
    """Those that may be there, the nearest first."""
    if given := environment.get("PUBSUB_EMULATOR_JAR"):
        yield Path(given)
        return
    gcloud = shutil.which("gcloud", path=path)
    named = (environment.get("CLOUDSDK_ROOT_DIR"), gcloud and Path(gcloud).resolve().parent.parent)
    for home in (*(Path(home) for home in named if home), *USUAL_HOMES):
        yield from sorted(home.glob(JAR))


@contextmanager
def googles_emulator(folder: Path) -> Iterator[str]:
    """The `host:port` of a running emulator with its log in `folder`. Raises LocalServerError without one.

    It runs without `gcloud` (FACTS §11), whose wrapper would start a second process.
    """
    command = find_emulator()
    if command is None:
        raise LocalServerError(
            "Google's Pub/Sub emulator is not here: install Java and the gcloud component pubsub-emulator, "
            "or say where its jar is in PUBSUB_EMULATOR_JAR."
        )
    log = folder / "emulator.log"
    port, process = start_on_port(
        0,
        lambda port: ServerProcess([*command, f"--host={LOOPBACK}", f"--port={port}"], log=log),
        lambda port, _: is_open(port),
        log=log,
    )
    try:
        yield f"{LOOPBACK}:{port}"
    finally:
        process.stop()
