"""The worker process: one Dramatiq worker with many threads. More load takes more processes."""

from collections.abc import Iterator

import structlog

from domain.crm.organisations import zone
from handlers.jobs import OUTSIDE
from infra.db.store import Store
from workers import crm_actors, process, sign_in_actors
from workers.actors import register
from workers.bootstrap import App
from workers.consumer import Jobs

log = structlog.get_logger()

AT_MOST = 20
"""The most organisations whose time zone is checked."""


def main() -> None:
    """Run until SIGTERM or Ctrl-C, then finish or release the begun jobs within 25 s (W16)."""
    process.run("worker", parts, process.count)


def parts(app: App) -> Iterator[process.Part]:
    """The part that takes all jobs but the notifier's."""
    say_assumed_zone(app.store)
    queues = app.broker.get_declared_queues() - {OUTSIDE}
    register(app, queues)
    crm_actors.register(app)
    sign_in_actors.register(app)
    yield Jobs(app, "worker", queues, app.settings.worker_threads)


def say_assumed_zone(store: Store) -> None:
    """Log once per process the organisations without a time zone, for which UTC decides what month it is (E2)."""
    with store.begin("worker.look", reads_only=True) as tx:
        zones = tx.reports.zones(AT_MOST)
    for organisation_id in (one for one, name in zones.items() if zone(name) is None):
        log.warning("time_zone.assumed", zone="UTC", organisation_id=organisation_id)
