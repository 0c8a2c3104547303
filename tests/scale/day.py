"""A whole day of many mailboxes, most of them idle, in some minutes: what it costs, and that no mail is lost.

Real processes beside a local Google; the clock is faked in the settings, whose periods are all divided by one factor,
and in what the database says when the day begins, never in the code. Mail comes by day in a believable pattern while
history is late, drops records, and pushes are lost. What cannot be divided is not: Gmail's one push a second and
mailbox, our second look 1.5 s after a push, tokens that last an hour, so that mails within a minute of the day cost
less than they would and pushes are dropped more often. The purge and the log are not part of it.

    python -m tests.scale.day --mailboxes 1000 --minutes 30
    python -m tests.scale.day --mailboxes 100 --minutes 12 --database postgresql --json

Ends with 1 where a mail has not its one outcome, an idle mailbox costs over 200 units, or the machine was too slow
for the sweeps of such a short day.
"""

import argparse
import json
import signal
import sys
import time
from dataclasses import asdict

from tests.scale.day_clock import SWEEP
from tests.scale.day_plan import DAY, make
from tests.scale.day_run import Day, run

MOST_UNITS = 200.0
ENOUGH_SWEEPS = 0.9


def main() -> None:
    """Print the figures, and say by the code whether all is well."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = _options()
    factor = DAY / (60 * options.minutes)
    plan = make(options.seed, options.mailboxes)
    try:
        day = run(plan, options.mailboxes, factor, options.database, _say)
    except KeyboardInterrupt:
        _say("stopped; everything is ended")
        sys.exit(130)
    troubles = _troubles(day)
    if options.json:
        json.dump(asdict(day) | {"troubles": troubles}, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        sys.stdout.write("".join(f"{what:<46}{said}\n" for what, said in _lines(day)))
    for trouble in troubles:
        _say(trouble)
    sys.exit(1 if troubles else 0)


def _lines(day: Day) -> list[tuple[str, str]]:
    purposes = ", ".join(f"{name} {units:.1f}" for name, units in day.units_idle_by_purpose.items())
    ways = ", ".join(f"{way} {number}" for way, number in sorted(day.came_by.items()))
    memory = ", ".join(f"{name} {mb:.0f}" for name, mb in day.memory_mb.items())
    return [
        ("mailboxes, of which idle", f"{day.mailboxes:,}, {day.idle_mailboxes:,}"),
        ("sweeps of a mailbox", f"{day.sweeps_a_day:.0f} of {DAY / SWEEP:.0f}"),
        ("units of an idle mailbox", f"{day.units_idle:.1f} of at most {MOST_UNITS:.0f}"),
        ("  by purpose", purposes),
        ("units in our ledger, of those of Google", f"{day.units_told:.2%}"),
        ("units of a mail, above those", f"{day.units_a_mail:.1f}"),
        ("requests of a mail, tokens included", f"{day.requests_a_mail:.1f}"),
        ("CPU of an idle mailbox", f"{day.cpu_idle:.2f} s"),
        ("CPU of a mail", f"{1000 * day.cpu_a_mail:.1f} ms"),
        ("CPU of all processes with nothing due", f"{100 * day.standing:.1f} % of a core"),
        ("memory at the end, MB", memory),
        ("mails", f"{day.mails:,}, found by {ways}"),
        ("pushes", ", ".join(f"{name} {number}" for name, number in day.pushes.items())),
        ("faults that struck", ", ".join(f"{name} {number}" for name, number in day.struck.items())),
        ("recall at midnight, and after the comparison", f"{day.recall_before_comparison:.2%}, {day.recall:.2%}"),
    ]  # fmt: skip


def _troubles(day: Day) -> list[str]:
    found = [f"not as it should be: {one}" for one in day.wrong[:10]]
    if day.units_idle > MOST_UNITS:
        found.append(f"an idle mailbox costs {day.units_idle:.0f} units")
    if day.sweeps_a_day < ENOUGH_SWEEPS * DAY / SWEEP:
        found.append(f"only {day.sweeps_a_day:.0f} sweeps of a mailbox: give the day more minutes")
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.scale.day",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--mailboxes", type=int, default=1_000, metavar="N")
    parser.add_argument("--minutes", type=float, default=30, help="that the day takes (30)")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one object instead of a table")
    return parser.parse_args()


def _say(words: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} day: {words}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
