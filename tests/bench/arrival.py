"""The real arrival pattern: most pushes bring one mail to one mailbox.

The textbook pipeline and ours get the same mails in turn, with warm processes;
what each spent is printed.

    python -m tests.bench.arrival --mailboxes 300 --per-second 15
    python -m tests.bench.arrival --only sqlite --rounds 1

The local Google runs on the same machine: its CPU is not counted, but it takes
part in every second.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from math import ceil

from tests.bench.meter import Figure, Spent, say
from tests.bench.patterns import arrival, told, warm_up
from tests.bench.pipelines import NAMES, opened

WARM_PER_SECOND = 30.0


def main() -> None:
    """Print the figures, and with --json all that was seen."""
    options = _options()
    seen: dict[str, list[Spent]] = {name: [] for name in options.only}
    with told(), opened(options.only) as pipelines:
        for one in pipelines:
            say(f"{one.name}: {options.mailboxes} mailboxes are connected, then warmed up")
            one.connect(f"user{number}@firm.example" for number in range(options.mailboxes))
            one.start()
            one.await_quiet()
            warm_up(one, WARM_PER_SECOND)
        for number in range(options.rounds):
            for one in pipelines:
                spent = arrival(one, options.mails or options.mailboxes, options.per_second)
                seen[one.name].append(spent)
                say(f"round {number + 1}, {one.name}: {spent}")
    if options.json:
        json.dump(
            {name: [asdict(one) for one in rounds] for name, rounds in seen.items()}, sys.stdout, indent=2
        )
        sys.stdout.write("\n")
    else:
        for name, rounds in seen.items():
            sys.stdout.write(f"{_line(name, rounds)}\n")


def _line(name: str, rounds: Sequence[Spent]) -> str:
    cpu = Figure(tuple(one.cpu_ms for one in rounds))
    units = Figure(tuple(one.units_a_mail for one in rounds))
    requests = Figure(tuple(one.requests_a_mail for one in rounds))
    tokens = Figure(tuple(one.tokens_a_mail for one in rounds))
    return (
        f"{name:11} {cpu.median:6.2f} ms CPU a mail (rounds differ by {cpu.spread:.0%}), "
        f"{units.median:.2f} units, {requests.median:.2f} requests of which {tokens.median:.2f} for tokens"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.arrival",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--mailboxes", type=int, default=300, metavar="N", help="which take turns (300)")
    parser.add_argument("--mails", type=int, metavar="N", help="a round; left out: one to each mailbox")
    parser.add_argument("--per-second", type=float, default=15, metavar="N", help="mails in all (15)")
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="in each of which all take their turn (3)"
    )
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME",
                        help=f"of {', '.join(NAMES)}; left out: all three")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="all that was seen, as one JSON object")
    options = parser.parse_args()
    if options.mailboxes < (fewest := ceil(2 * options.per_second)):
        parser.error(
            f"take at least {fewest} mailboxes: of mails that come close together Gmail pushes only one"
        )
    return options


if __name__ == "__main__":
    main()
