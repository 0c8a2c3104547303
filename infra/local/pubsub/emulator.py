"""Google's own emulator, where the machine has it: the second witness of the contract suite."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.ports import LOOPBACK, LocalServerError, ServerProcess, is_open, start_on_port

JAR = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"
USUAL_HOMES = (
    Path("/usr/lib/google-cloud-sdk"),
    Path("/opt/google-cloud-sdk"),
    Path.home() / "google-cloud-sdk",
)


def find_emulator() -> list[str] | None:
    """The command that runs the jar of the gcloud component `pubsub-emulator`, which lies beside `gcloud`
    or in the usual places; None without the jar or without Java.
    """
    gcloud, java = shutil.which("gcloud"), shutil.which("java")
    homes = (Path(gcloud).resolve().parent.parent, *USUAL_HOMES) if gcloud else USUAL_HOMES
    jar = next((jar for home in homes for jar in sorted(home.glob(JAR))), None)
    return [java, "-Xmx256m", "-XX:+UseSerialGC", "-jar", str(jar)] if java and jar else None


@contextmanager
def googles_emulator(folder: Path) -> Iterator[str]:
    """The `host:port` of a running emulator with its log in `folder`; `LocalServerError` without one.

    It is run without `gcloud` (FACTS §11), whose wrapper would start a second process.
    """
    command = find_emulator()
    if command is None:
        raise LocalServerError(
            "Google's Pub/Sub emulator is not here: gcloud component pubsub-emulator, and Java."
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
