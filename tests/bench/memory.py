#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Resident memory of a worker: idle without executors, and over a long drain.

Examples:
  tests/bench/memory.py                    # 500,000 jobs, about half a minute
  tests/bench/memory.py --jobs 100000      # a quick look
  tests/bench/memory.py --json             # one line, nothing else

Idle: a wherry-worker whose handler has no process while nothing runs. Under load: one with
512 slots and two processes of no-op jobs, VmRSS of the worker itself from /proc every 20 ms. Flat:
what it grew from a tenth of the drain on till its end. Exit status 1 when idle is over 8 MiB, or it
grew by more than --bar KiB.
"""
import sys

import report
from drain import NOOP, Drain
from fleet import wait_for

IDLE_MAX_KIB = 8192
SLOTS = 512


def idle_kib(d):
    worker = d.fleet.start_worker("idle", {"other": "command:true"}, "--log-level", "warn",
                                  env={"WHERRY_ALSO_ANY": "false"}, ready=False)
    wait_for(lambda: d.fleet.stats()["idle"] == 1, "the worker to be idle")
    kib = worker.rss() // 1024
    worker.kill9()
    return kib


def measure(args):
    with Drain() as d:
        idle = idle_kib(d)
    with Drain() as d:
        d.enqueue(args.jobs, "x" * 100)
        worker, seen = d.start_worker("w", {"run": NOOP, "processes": 2}, "--slots", str(SLOTS),
                                      ready=False), []
        rate = d.rate(args.jobs // 10, args.jobs, 600, lambda: seen.append(worker.rss() // 1024))
    grew = max(seen[-max(1, len(seen) // 10):]) - seen[0]
    return {"bench": "memory", "idle_kib": idle, "idle_max_kib": IDLE_MAX_KIB, "jobs": args.jobs,
            "jobs_per_s": round(rate), "samples": len(seen), "at_tenth_kib": seen[0],
            "most_kib": max(seen), "end_kib": seen[-1], "grew_kib": grew, "bar_kib": args.bar,
            "ok": idle <= IDLE_MAX_KIB and grew <= args.bar}


def table(r):
    yield "| idle KiB | at a tenth of the drain | most | at its end | grew | bar |"
    yield "|---|---|---|---|---|---|"
    yield (f"| {r['idle_kib']:,} | {r['at_tenth_kib']:,} | {r['most_kib']:,} | {r['end_kib']:,} | "
           f"{r['grew_kib']} | {r['bar_kib']} |")


def parse():
    parser = report.parser("memory.py", __doc__)
    parser.add_argument("--jobs", type=int, default=500000, help="default: %(default)s")
    parser.add_argument("--bar", type=int, default=512, help="in KiB; default: %(default)s")
    return report.arguments(parser)


def main():
    args = parse()
    return report.tell_one(args, measure(args), table)


if __name__ == "__main__":
    sys.exit(main())
