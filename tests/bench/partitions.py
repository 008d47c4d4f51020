#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a job costs Redis when there are two servers with a partition and a worker each,
compared with one: the cost must not grow with the number of shards.

Examples:
  tests/bench/partitions.py                # six rounds of 60,000 jobs a server, a minute
  tests/bench/partitions.py --rounds 1 --jobs 50000    # a quick look
  tests/bench/partitions.py --json         # one line, nothing else

Each server is a private Redis with no-op jobs of 50 orgs in its one partition; a worker of
its own (256 slots, two executor processes) drains it. One: a server alone. Two: both at the same time.
A server and its worker have a core of their own in both, lest what is measured is how four
programs share two. They take turns; figures per job are CPU time of a server (INFO cpu) and commands that its
functions called, from the first 5 % of the drain to 95 %; growth is the median of the rounds' own. Exit status 1 when CPU time grew by more than --bar %.
"""
import contextlib
import os
import statistics
import sys
import time

import report
from drain import NOOP, Drain

ORGS, SLOTS, TICK_S = 50, 256, 0.02


class Shard:
    """A server, its worker, and two marks of what it had cost."""

    def __init__(self, stack, jobs, core):
        self.d, self.jobs, self.marks = stack.enter_context(Drain()), jobs, []
        self.core = core % os.cpu_count()
        os.sched_setaffinity(self.d.fleet.redis_process.pid, {self.core})
        for org in range(ORGS):
            self.d.enqueue(jobs // ORGS, "x" * 100, org=f"org-{org:02d}")

    def start(self):
        self.d.start_worker("w", {"run": NOOP, "processes": 2}, "--slots", str(SLOTS), ready=False,
                            wrap=("taskset", "-c", str(self.core)))

    def mark(self):
        """Takes one at 5 % and one at 95 %; true when both are there."""
        done = self.d.completed()
        if done >= self.jobs * (0.05, 0.95, 2)[len(self.marks)]:
            self.marks.append((done, self.cpu(), self.commands()))
        return len(self.marks) == 2

    def kill(self):
        self.d.fleet.processes[0].kill9()
        self.d.fleet.kill9_redis()

    def info(self, section):
        text = self.d.fleet.redis("INFO", section).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def cpu(self):
        info = self.info("cpu")
        return 1e6 * (float(info["used_cpu_user"]) + float(info["used_cpu_sys"]))

    def commands(self):
        return sum(int(value.split(",")[0].removeprefix("calls="))
                   for name, value in self.info("commandstats").items()
                   if not name.startswith(("cmdstat_fcall", "cmdstat_info", "cmdstat_config")))

    def per_job(self):
        (first, *before), (last, *after) = self.marks
        return [(b - a) / (last - first) for a, b in zip(before, after)]


def run(shards, jobs):
    """(CPU us, commands) per job of each."""
    with contextlib.ExitStack() as stack:
        all_of = [Shard(stack, jobs, core) for core in range(shards)]
        for shard in all_of:
            shard.start()
        while not all([s.mark() for s in all_of]):
            time.sleep(TICK_S)
        for shard in all_of:  # all of them: what the first one's end finds running is left behind
            shard.kill()
        return [s.per_job() for s in all_of]


def measure(args):
    found = {1: [], 2: []}
    for _ in range(args.rounds):
        for shards, rounds in found.items():
            rows = run(shards, args.jobs)
            rounds.append([statistics.mean(row[i] for row in rows) for i in (0, 1)])
    us, calls = ({n: statistics.median(row[i] for row in rows) for n, rows in found.items()}
                 for i in (0, 1))
    grown, more = (100 * (statistics.median(b[i] / a[i] for a, b in zip(found[1], found[2])) - 1)
                   for i in (0, 1))
    return {"bench": "partitions", "jobs": args.jobs, "rounds": args.rounds,
            "us_one": round(us[1], 2), "us_two": round(us[2], 2),
            "calls_one": round(calls[1], 3), "calls_two": round(calls[2], 3),
            "us_all": {n: [round(row[0], 2) for row in rows] for n, rows in found.items()},
            "grown_percent": round(grown, 1), "calls_grown_percent": round(more, 1),
            "bar": args.bar, "ok": grown <= args.bar}


def table(r):
    yield "| servers | Redis µs per job (least – most) | commands per job |"
    yield "|---|---|---|"
    for n, name in ((1, "one"), (2, "two")):
        yield (f"| {n} | {r[f'us_{name}']} ({min(r['us_all'][n])} – {max(r['us_all'][n])}) | "
               f"{r[f'calls_{name}']} |")
    yield (f"CPU time grown by {r['grown_percent']} %, bar {r['bar']:g} %; "
           f"commands by {r['calls_grown_percent']} %")


def parse():
    parser = report.parser("partitions.py", __doc__)
    parser.add_argument("--jobs", type=int, default=60000, help="a server; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=6, help="default: %(default)s")
    parser.add_argument("--bar", type=float, default=10, help="in %%; default: %(default)g")
    return report.arguments(parser)


def main():
    args = parse()
    return report.tell_one(args, measure(args), table)


if __name__ == "__main__":
    sys.exit(main())
