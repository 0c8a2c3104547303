"""Mail flows to two organisations, Gmail has trouble, processes are killed at random and come back; in the end every
mail is right, and nothing of one organisation is with the other.

`python -m tests.chaos --minutes 10 --seed 1`

The same seed plans the same mails, kills, faults and hands at the same seconds. What they meet depends on the
machine's clock, so that two runs of a seed are alike and not equal. Ends with 0 when nothing was lost, doubled
or kept, else with 1, and then the folder stays.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import Result, run

DATABASES = ("sqlite", "postgresql")


def main() -> None:
    """Run, report, and clean up after a clean run."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--database", choices=DATABASES, help="left out: odd seeds SQLite, even ones PostgreSQL"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where everything is kept, come what may")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = options.keep or Path(tempfile.mkdtemp(prefix="lodestone-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    database = options.database or DATABASES[options.seed % 2 == 0]
    _say(f"chaos: seed {options.seed}, {options.minutes:g} minutes, {database}, in {folder}")
    try:
        result = run(folder, seed=options.seed, minutes=options.minutes, database=database, say=_say)
    except KeyboardInterrupt:
        _say("stopped; everything is ended")
        if not options.keep:
            shutil.rmtree(folder)
        sys.exit(1)
    _report(result)
    if result.wrong:
        _say(f"the folder stays: {folder}")
        sys.exit(1)
    if not options.keep:
        shutil.rmtree(folder)


def _report(result: Result) -> None:
    _say("")
    for line in result.evidence:
        _say(f"    {line}")
    _say(
        f"seed {result.seed} on {result.database}: {result.mails} mails in {result.seconds / 60:.1f} minutes"
    )
    for name, counted in (
        ("kills", result.kills),
        ("faults, times struck", result.troubles),
        ("upheavals", result.upheavals),
        ("the users' hands", result.hands),
        ("pushes", result.pushes),
        ("job.failed", result.job_failed),
        ("notifications", result.by_place),
    ):
        each = ", ".join(f"{what} {times}" for what, times in sorted(counted.items()))
        _say(f"{name}: {sum(counted.values())}" + (f" ({each})" if each else ""))
    redriven = result.events.get("job.redriven", 0)
    _say(f"units: {result.units}; redriven: {redriven}; signed in again: {result.signed_in}")
    _say(
        f"rests: {result.events.get('mailbox.rested', 0)}; steps given back: {result.events.get('step.postponed', 0)}"
    )
    _say(f"events delivered: {result.delivered}; more than once: {result.repeated}")
    _say(f"not judged for one user of a mailbox, who had to sign in: {result.away} mails")
    _say(f"searched for canaries: {result.searched}")
    _say(f"everything right {result.settled_after:.0f} s after the last trouble")
    for line in result.wrong:
        _say(f"WRONG {line}")
    _say("verdict: " + (f"{len(result.wrong)} things are wrong" if result.wrong else "clean"))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
