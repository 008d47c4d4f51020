#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a worker does over a link with a long round trip, compared with its local rate.

Examples:
  tests/bench/region.py                          # 80 ms; jobs of 0, 10, 50, 100 ms; 4 minutes
  tests/bench/region.py --only 100 --rounds 1    # a quick look
  tests/bench/region.py --rtt 200 --slots 64
  tests/bench/region.py --only 0 --first         # before all else that this machine does
  tests/bench/region.py --json                   # one line, nothing else
  WH_BUILD_DIR=build-other tests/bench/region.py

One wherry-worker with --slots slots drains jobs whose handlers (processes, native) sleep
that long; 0: no-op jobs in two processes. Local: on the socket of Redis. Region: through
bench/delay_proxy, which holds every byte back for half of --rtt in each direction; what
it costs the CPU is the region's. Both take turns, each on a Redis of its own; rates are
of accepted finishes for --seconds, from --warm after everything runs on. No-op jobs end
sooner: there they are those of the same jobs in both, from 40 to 95 % of --jobs on.
`bound` is slots ÷ run time. The ratio is the median of the rounds' own; `start` is that of
what comes before, while claims ahead grow; `Redis` what redis-server's CPU takes for a
job, here and there. Exit status 1 when the ratio of a run time named in --judge is below
--bar.
"""
import os
import statistics
import sys

from delayed import cpu
from drain import NOOP, SLEEP, Drain
from fleet import BUILD, Process, wait_for
import report
import stamps

PROXY = os.path.join(BUILD, "bench", "delay_proxy")
START_S = 5  # till all processes run
NOOP_S = 60  # at most, of each part of a drain


def through_proxy(d, rtt_ms):
    path = os.path.join(d.fleet.folder, "far.sock")
    proxy = Process("proxy", [PROXY, path, d.fleet.socket, str(rtt_ms * 500)], d.fleet.folder)
    wait_for(lambda: os.path.exists(path), "the proxy to listen")
    d.fleet.url = f"unix://{path}"
    return proxy


def come_first(pid):
    """Before all that is scheduled as usual, with what it starts from now on; pid 0: we."""
    for task in os.listdir(f"/proc/{pid or os.getpid()}/task"):
        os.sched_setscheduler(int(task), os.SCHED_RR, os.sched_param(1))


def plan(ms, args):
    """Jobs; for start and rate each: to how many ended ones, or for so many seconds at most."""
    if ms == 0:
        return args.jobs, ((args.jobs * 2 // 5, NOOP_S), (args.jobs * 19 // 20, NOOP_S))
    count = int(args.slots * 1100 / ms * (START_S + args.warm + args.seconds)) + 4 * args.slots
    return count, ((count, args.warm), (count - 2 * args.slots, args.seconds))


def measure(ms, rtt_ms, args):
    """Finishes a second, those of the start, Redis' CPU in us for a job."""
    count, (start, then) = plan(ms, args)
    with Drain() as d:
        d.enqueue(count, ms * 1000)
        proxy = through_proxy(d, rtt_ms) if rtt_ms else None
        if args.first:
            for pid in [d.fleet.redis_process.pid, 0] + ([proxy.pid] if proxy else []):
                come_first(pid)
        try:
            run = {"run": SLEEP} if ms else {"run": NOOP, "processes": 2}
            d.start_worker("w", run, "--slots", str(args.slots), ready=False)
            if ms:
                wait_for(lambda: stamps.processes(d.stamps) >= args.slots, "all processes to run")
            first = max(1, d.completed())
            slowly = d.rate(first, *start)
            done, busy = d.completed(), cpu(d.fleet.redis)
            rate = d.rate(first, *then)
            return rate, slowly, 1e6 * (cpu(d.fleet.redis) - busy) / (d.completed() - done)
        finally:
            if args.first:
                os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            d.fleet.processes[0].kill9()  # a drain over this link is not what is measured
            if proxy:
                proxy.kill9()


def compare(ms, args):
    pairs = [(measure(ms, 0, args), measure(ms, args.rtt, args)) for _ in range(args.rounds)]
    (local, region), _, us = (tuple(statistics.median(p[i][k] for p in pairs) for i in (0, 1))
                              for k in range(3))
    ratios, starts = ([b[k] / a[k] for a, b in pairs] for k in (0, 1))
    ratio = statistics.median(ratios)
    return {"run_ms": ms, "rtt_ms": args.rtt, "slots": args.slots,
            "bound": round(args.slots * 1000 / ms) if ms else None,
            "local": round(local), "region": round(region), "ratio": round(ratio, 3),
            "least": round(min(ratios), 3), "start": round(statistics.median(starts), 3),
            "redis_us": [round(x, 2) for x in us],
            "bar": args.bar if ms in args.judge else None,
            "ok": ratio >= args.bar or ms not in args.judge}


def table(told):
    yield "| job | bound/s | local/s | region/s | ratio (least) | start | Redis µs | bar |"
    yield "|---|---|---|---|---|---|---|---|"
    for r in told["rows"]:
        yield (f"| {r['run_ms']} ms | {r['bound'] or '–'} | {r['local']:,} | {r['region']:,} | "
               f"{r['ratio']:.2f} ({r['least']:.2f}) | {r['start']:.2f} | "
               f"{r['redis_us'][0]:.2f}, {r['redis_us'][1]:.2f} | {r['bar'] or '–'} |")


def parse():
    parser = report.parser("region.py", __doc__)
    parser.add_argument("--only", default="0,10,50,100", help="run times in ms; default: %(default)s")
    parser.add_argument("--judge", default="0,50,100", help="those with a bar; default: %(default)s")
    parser.add_argument("--rtt", type=int, default=80, help="in ms; default: %(default)s")
    parser.add_argument("--slots", type=int, default=256, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=1000000, help="no-op ones; default: %(default)s")
    parser.add_argument("--warm", type=float, default=2, help="seconds before; default: %(default)g")
    parser.add_argument("--seconds", type=float, default=4, help="of each rate; default: %(default)g")
    parser.add_argument("--bar", type=float, default=0.8, help="default: %(default)g")
    parser.add_argument("--first", action="store_true", help="while it is measured, all that takes part "
                        "is scheduled before other programs (SCHED_RR; needs rights)")
    args = report.arguments(parser)
    args.only, args.judge = ([int(x) for x in t.split(",") if x] for t in (args.only, args.judge))
    return args


def main():
    args = parse()
    rows = [compare(ms, args) for ms in args.only]
    return report.tell_one(args, {"bench": "region", "rows": rows, "ok": all(r["ok"] for r in rows)}, table)


if __name__ == "__main__":
    sys.exit(main())
