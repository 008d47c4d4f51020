#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the claims of some orgs cost Redis more for the neighbours that they have.

Examples:
  tests/bench/neighbours.py                            # all, about two minutes
  tests/bench/neighbours.py --only idle --rounds 10    # a quick look
  tests/bench/neighbours.py --rate 100                 # what its own jobs cost comes in
  tests/bench/neighbours.py --json                     # all of them as one line, at the end
  WH_BUILD_DIR=build-other tests/bench/neighbours.py   # of another build

Two private Redis servers side by side have the same settings and the same 50 busy orgs;
one also has the neighbour: an org with --backlog jobs that its limit holds back, or
--idle orgs that have run a job each and have nothing to do now (the other server ran as
many jobs). Claims and finishes of the busy orgs' jobs (calls of 150 while 450 run) take
turns on both, call by call, so that both meet the same machine. Figures are the growth of
commands and of CPU time per job from the one to the other, in %, CPU time as the median
of the rounds' own. One JSON line each; exit status 1 when one is over --bar. On a busy
machine CPU time moves by 3 % from run to run: repeat what looks odd.
"""
import itertools
import statistics
import sys

from library import KEY, Library
import report
from resp import head

BUSY_ORGS, WANT, IN_FLIGHT = 50, 150, 450
LIMITS = {"rate-org": "rate:org/big", "rate-type": "rate:type/mail",
          "rate-org-type": "rate:org/big/type/mail", "cap-org": "active:org/big"}


def hold_back(lib, args):
    """The backlog comes in, and is met by claims until all of it is out of the way."""
    lib.enqueue(args.backlog, heads=[head("mail", "big")])
    while lib.work(WANT, IN_FLIGHT) > 1 or lib.client("EXISTS", f"{KEY}:ring"):
        pass


def run_once(lib, orgs):
    lib.enqueue(len(orgs), heads=[head("noop", org) for org in orgs])
    lib.work(WANT, IN_FLIGHT)


def costs(libs, args):
    """Of each: (jobs finished, commands, CPU us) of claims and finishes, call by call in turn."""
    for lib in libs:
        lib.enqueue(args.jobs)
        lib.reset()
    before, done = [lib.cpu() for lib in libs], [0] * len(libs)
    for counts in itertools.zip_longest(*(lib.steps(WANT, IN_FLIGHT) for lib in libs),
                                        fillvalue=0):
        done = [d + n for d, n in zip(done, counts)]
    return [(n, sum(calls for calls, _ in lib.commands().values()), 1e6 * (lib.cpu() - cpu))
            for lib, n, cpu in zip(libs, done, before)]


def measure(name, args):
    with Library(BUSY_ORGS) as alone, Library(BUSY_ORGS) as beside:
        libs = (alone, beside)
        if name in LIMITS:
            for lib in libs:
                is_rate = name.startswith("rate")
                lib.call("limit", LIMITS[name], f"{args.rate}/1000/1" if is_rate else "1")
        costs(libs, args)  # run times are known before anybody is held back
        if name in LIMITS:
            hold_back(beside, args)
        else:
            run_once(beside, [f"idle-{i:05d}" for i in range(args.idle)])
            run_once(alone, ["busy"] * args.idle)  # as many jobs: the same past
        costs(libs, args)
        rounds = [costs(libs, args) for _ in range(args.rounds)]
    calls = [sum(r[i][1] for r in rounds) / sum(r[i][0] for r in rounds) for i in (0, 1)]
    us = [[r[i][2] / r[i][0] for r in rounds] for i in (0, 1)]
    more = [round(100 * (ratio - 1), 2) for ratio in (
        calls[1] / calls[0], statistics.median(b / a for a, b in zip(*us)))]
    return {"neighbour": name, "calls_more": more[0], "us_more": more[1], "unit": "%",
            "bar": args.bar, "ok": max(more) <= args.bar,
            "calls": [round(x, 3) for x in calls],
            "us": [round(statistics.median(x), 2) for x in us]}


def parse():
    parser = report.parser("neighbours.py", __doc__)
    names = [*LIMITS, "idle"]
    parser.add_argument("--only", default=",".join(names), help="default: %(default)s")
    parser.add_argument("--backlog", type=int, default=100000, help="default: %(default)s")
    parser.add_argument("--idle", type=int, default=10000, help="default: %(default)s")
    parser.add_argument("--rate", type=int, default=1,
                        help="jobs a second that the backlog is let through; default: %(default)s")
    parser.add_argument("--jobs", type=int, default=6000, help="of a round; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--bar", type=float, default=5.0, help="in %%; default: %(default)g")
    args = report.arguments(parser)
    args.only = report.chosen(parser, args.only, names)
    return args


def main():
    args = parse()
    return report.tell(args, "neighbours", (measure(name, args) for name in args.only))


if __name__ == "__main__":
    sys.exit(main())
