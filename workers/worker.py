"""The worker process: one Dramatiq worker, many threads. More processes is how it grows (DESIGN §6)."""

import structlog

from domain.labels import zone
from infra.db.store import Store
from workers import crm_actors, sign_in_actors
from workers.actors import register
from workers.bootstrap import start
from workers.broker import OUTSIDE
from workers.consumer import take_jobs
from workers.units import keep_count, write

log = structlog.get_logger()


def main() -> None:
    """Work until SIGTERM or Ctrl-C; then finish or release what was begun within 25 s (W16)."""
    app = start("worker")
    app.wait_until_ready()
    say_assumed_zone(app.store)
    register(app)
    crm_actors.register(app)
    sign_in_actors.register(app)
    queues = app.broker.get_declared_queues() - {OUTSIDE}
    keep_count(app)
    take_jobs(app, queues, threads=app.settings.worker_threads)
    write(app.work)


def say_assumed_zone(store: Store) -> None:
    """Once per process: nobody has set the organisation's time zone, so UTC decides which month it is (E2)."""
    with store.begin("worker.look", reads_only=True) as tx:
        time_zone = tx.contacts.organisation().time_zone
    if zone(time_zone) is None:
        log.warning("time_zone.assumed", zone="UTC")
