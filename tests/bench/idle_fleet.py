#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a fleet of idle workers asks of Redis, and how many of them one enqueue wakes.

Examples:
  tests/bench/idle_fleet.py                          # 200 workers, about two minutes
  tests/bench/idle_fleet.py --workers 20 --seconds 10 --enqueues 20    # a quick look
  tests/bench/idle_fleet.py --also-any               # two partitions each: eu and any
  tests/bench/idle_fleet.py --json                   # one line, nothing else

--workers processes with 4 slots and a handler that has no process while idle, default
lease. Commands are those that workers send (INFO commandstats: fcall, blpop …, not what
functions call inside) over --seconds of rest. Then jobs are enqueued one at a time, each when the
one before is done, under MONITOR: how many workers are called per enqueue, by calls pushed
to their bells, and how many had a claim or finish of it (cycles beyond those that a woken
one needs would be counted there). Exit status 1 when commands are over --bar a second and
worker, or an enqueue called more or fewer than one.
"""
import collections
import resource
import statistics
import sys
import time

import report
from drain import Drain
from fleet import PARTITION, wait_for
from resp import Client

FROM_CLIENTS = ("fcall", "fcall_ro", "blpop", "ping", "hello", "client|setname", "client|setinfo")
SLOTS = 4


class Monitor:
    """What Redis runs, line by line: (is in a function, words)."""

    def __init__(self, path):
        self.client = Client(path)
        self.client("MONITOR")

    def until(self, mark):
        """Lines up to the PING with this text."""
        while True:
            line = self.client._line().decode("latin-1")
            source, _, words = line.partition("] ")
            words = [w.strip('"') for w in words.split(" ")]
            if words[:2] == ["PING", mark]:
                return
            yield source.endswith(" lua"), words

    def close(self):
        self.client.close()


def commandstats(d):
    lines = d.fleet.redis("INFO", "commandstats").decode().splitlines()
    found = {}
    for line in lines:
        if line.startswith("cmdstat_"):
            name, _, rest = line.removeprefix("cmdstat_").partition(":")
            found[name] = int(rest.split(",")[0].removeprefix("calls="))
    return found


def rest(d, seconds):
    """Commands that clients sent meanwhile, by name."""
    d.fleet.redis("CONFIG", "RESETSTAT")
    begin = time.monotonic()
    time.sleep(seconds)
    found = commandstats(d)
    took = time.monotonic() - begin
    return {name: found[name] / took for name in FROM_CLIENTS if name in found}


def wake_ups(d, count):
    """(workers called, workers with a cycle that finished it) of each enqueue."""
    bells, found = f"{PARTITION}:bell:", []
    monitor = Monitor(d.fleet.socket)
    try:
        for number in range(count):
            before = d.completed()
            d.fleet.redis("PING", f"begin-{number}")
            collections.deque(monitor.until(f"begin-{number}"), maxlen=0)
            d.enqueue(1, "x", kind="job")
            wait_for(lambda n=before: d.completed() > n, "the job to end")
            d.fleet.redis("PING", f"end-{number}")
            called, finished = [], 0
            for is_inside, words in monitor.until(f"end-{number}"):
                if is_inside and words[0].upper() in ("RPUSH", "LPUSH") and \
                        words[1].startswith(bells) and not words[1].endswith(":scheduler"):
                    called.append(words[1])
                finished += words[:2] == ["FCALL", "wh1_cycle"] and words[6] != "0"
            found.append((len(called), len(set(called)), finished))
            time.sleep(0.02)
    finally:
        monitor.close()
    return found


def measure(args):
    with Drain() as d:
        for number in range(args.workers):
            d.fleet.start_worker(
                f"w{number}", {"*": "command:true"}, "--slots", str(SLOTS), "--log-level", "warn",
                "--lease", "15s", "--heartbeat", "5s",
                env={"WHERRY_ALSO_ANY": "true" if args.also_any else "false"}, ready=False)
        wait_for(lambda: d.fleet.stats()["idle"] >= args.workers, "all to be idle", 300)
        time.sleep(6)  # the first heartbeats and calls are over
        sent = rest(d, args.seconds)
        cpu = [p.rss() for p in d.fleet.processes]
        wakes = wake_ups(d, args.enqueues)
    each = {name: round(n / args.workers, 3) for name, n in sorted(sent.items())}
    per_worker = sum(sent.values()) / args.workers
    called = collections.Counter(w[0] for w in wakes)
    return {"bench": "idle_fleet", "workers": args.workers, "partitions": 1 + args.also_any,
            "commands": round(per_worker, 3), "bar": args.bar, "by_command": each,
            "enqueues": args.enqueues, "called": dict(sorted(called.items())),
            "finishing_cycles": dict(sorted(collections.Counter(w[2] for w in wakes).items())),
            "rss_kib_median": int(statistics.median(cpu)) // 1024,
            "ok": per_worker < args.bar and set(called) == {1}}


def table(r):
    yield "| workers | partitions each | commands/s and worker | bar | by command | enqueues: workers called |"
    yield "|---|---|---|---|---|---|"
    by = ", ".join(f"{name} {n}" for name, n in r["by_command"].items())
    called = ", ".join(f"{times} × {n}" for n, times in r["called"].items())
    yield (f"| {r['workers']} | {r['partitions']} | {r['commands']} | < {r['bar']:g} | {by} | {called} |")


def parse():
    parser = report.parser("idle_fleet.py", __doc__)
    parser.add_argument("--workers", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=30, help="of rest; default: %(default)g")
    parser.add_argument("--enqueues", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--also-any", action="store_true", help="serve the region any too")
    parser.add_argument("--bar", type=float, default=1.0, help="default: %(default)g")
    args = report.arguments(parser)
    need = 10 * args.workers + 100  # ours are logs only; each worker and Redis need more
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < need:
        parser.error(f"{args.workers} workers need {need} open files; the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, need), hard))
    return args


def main():
    args = parse()
    return report.tell_one(args, measure(args), table)


if __name__ == "__main__":
    sys.exit(main())
