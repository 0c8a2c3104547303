"""The budgets, measured: `make bench`.

A pipeline as a textbook writes it and ours on SQLite and PostgreSQL get the same
mails in turn, with warm processes: one mail to one mailbox at a time, as most mail
comes, and in bursts. CPU seconds are those of the pipeline's own processes, before and
after. The local Gmail and Pub/Sub run on the same machine: their CPU counts nowhere,
and all that is measured by the clock includes them. Three rounds; a figure is the
median, with lowest and highest round where they differ by more than 10 %.

Takes about twenty minutes on two cores that do nothing else, and says how much
of the machine others had meanwhile. Ends with 1 where a budget is not met.

    python -m tests.bench                    the table
    python -m tests.bench --quick            small, for a look in about two minutes
    python -m tests.bench --only sqlite      against the textbook, on one database
    python -m tests.bench --markdown         as it stands in docs/PERFORMANCE.md
"""

import argparse
import json
import sys

from tests.bench.meter import say
from tests.bench.patterns import told
from tests.bench.pipelines import POSTGRESQL, SQLITE, TEXTBOOK
from tests.bench.report import as_json, machine, markdown, not_met, plain, quietness, table
from tests.bench.run import QUICK, Size, measured

DATABASES = (SQLITE, POSTGRESQL)
IS_QUICK = "A quick look: few mails and one round. These figures prove nothing."


def main() -> None:
    """Measure, print, and say by the code whether all budgets are met."""
    options = _options()
    with told():
        seen = measured((TEXTBOOK, *options.only), QUICK if options.quick else Size())
    missed = not_met(seen)
    if options.json:
        json.dump(as_json(seen, quick=options.quick), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        lines = table(seen)
        note = f"{IS_QUICK}\n\n" if options.quick else ""
        shown = markdown(lines) if options.markdown else plain(lines)
        sys.stdout.write(f"{note}{machine()}. {quietness(seen)}\n\n{shown}\n")
    say(
        f"{len(missed)} not met: {'; '.join(missed)}"
        if missed
        else "all budgets that are measured here are met"
    )
    sys.exit(1 if missed else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick", action="store_true", help="few mails, one round; the figures prove nothing"
    )
    parser.add_argument("--only", nargs="+", choices=DATABASES, default=DATABASES, metavar="NAME",
                        help=f"of {', '.join(DATABASES)}; left out: both")  # fmt: skip
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="all that was seen, as one JSON object")
    shape.add_argument("--markdown", action="store_true", help="the table as docs/PERFORMANCE.md has it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
