#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a job costs Redis at a number of orgs: commands called and CPU time, per job.

Examples:
  tests/bench/orgs.py                        # 1, 50, 1,000 and 10,000 orgs, about a minute
  tests/bench/orgs.py --orgs 1,1000 --jobs 20000 --runs 1      # a quick look
  tests/bench/orgs.py --orgs 1,1000 --commands                 # which commands they are
  tests/bench/orgs.py --enqueue 1000,1                         # also with wh1_enqueue, one by one
  tests/bench/orgs.py --json                                   # one line, nothing else
  WH_BUILD_DIR=build-other tests/bench/orgs.py                 # of another build

Each run takes a fresh private Redis, enqueues the jobs (calls of --enqueue; 1: a
wh1_enqueue each, without an id), and claims and finishes them all (calls of --want while
--in-flight run), orgs in turn; a tenth of it goes before to warm up. Commands are Redis'
own count (INFO commandstats), CPU time is that of the whole server (INFO cpu: reading
the request, Lua, commands, writing the reply). Runs of the org counts take turns;
medians are printed, then for each size of --enqueue the growth from the least number of orgs to the others (the median of the turns' own).
Exit status 1 when one of those to 1,000 orgs, of CPU time or of commands, enqueue and
claim and finish together, is over --bar.
"""
import statistics
import sys

from library import CALL, Library
import report


def enqueue(lib, count, size):
    if size == 1:
        lib.enqueue_singly(count)
    else:
        lib.enqueue(count, size)


def measure(orgs, size, args):
    """One run: figures per job, and calls and us by command."""
    with Library(orgs, limits=args.limit) as lib:
        enqueue(lib, max(args.jobs // 10, orgs), size)
        lib.work(args.want, args.in_flight)
        lib.reset()
        found = {"orgs": orgs, "enqueue": size}
        by_command = {}
        for name, step in (("enqueue", lambda: enqueue(lib, args.jobs, size)),
                           ("cycle", lambda: lib.work(args.want, args.in_flight))):
            before = lib.cpu()
            step()
            found[f"{name}_us"] = (lib.cpu() - before) * 1e6 / args.jobs
            by_command[name] = lib.commands()
            lib.reset()
            calls = sum(calls for calls, _ in by_command[name].values())
            found[f"{name}_calls"] = calls / args.jobs
        for unit in ("us", "calls"):
            found[unit] = found[f"enqueue_{unit}"] + found[f"cycle_{unit}"]
        finished = int(dict(zip(*[iter(lib.call("stats"))] * 2))[b"completed"])
        if finished != lib.sent:
            raise AssertionError(f"{finished} of {lib.sent} jobs were finished")
        return found, by_command


FIGURES = ("enqueue_calls", "cycle_calls", "enqueue_us", "cycle_us")


def median(runs):
    """The run of medians; with the least and the most of both CPU times together."""
    total = [r["us"] for r in runs]
    return {"orgs": runs[0]["orgs"], "enqueue": runs[0]["enqueue"], "runs": len(runs),
            **{k: round(statistics.median(r[k] for r in runs), 3) for k in FIGURES},
            "us": round(statistics.median(total), 3),
            "us_least": round(min(total), 3), "us_most": round(max(total), 3)}


def growth(least, runs):
    """Median of the rounds' own ratios: a slow spell of the machine falls on all of a round."""
    def ratio(key):
        return round(statistics.median(r[key] / l[key] for r, l in zip(runs, least)), 2)
    return {"enqueue": runs[0]["enqueue"], "from_orgs": least[0]["orgs"],
            "to_orgs": runs[0]["orgs"],
            **{k: ratio(k) for k in ("enqueue_us", "cycle_us", "us", "enqueue_calls", "calls")}}


def table(told):
    yield ("| jobs an enqueue | orgs | enqueue calls | claim and finish calls | enqueue µs | claim and finish µs"
           " | together µs | least to most |")
    yield "|---|---|---|---|---|---|---|---|"
    for r in told["rows"]:
        yield (f"| {r['enqueue']:,} | {r['orgs']:,} | {r['enqueue_calls']:.3f} | {r['cycle_calls']:.3f} | "
               f"{r['enqueue_us']:.2f} | {r['cycle_us']:.2f} | {r['us']:.2f} | "
               f"{r['us_least']:.2f} – {r['us_most']:.2f} |")
    for g in told["growth"]:
        bar = f"; bar {g['bar']:g}: {'reached' if g['ok'] else 'missed'}" if "bar" in g else ""
        yield (f"growth from {g['from_orgs']:,} to {g['to_orgs']:,} orgs, {g['enqueue']:,} an enqueue: CPU time "
               f"{g['us']:.2f} × (enqueue {g['enqueue_us']:.2f}, claim and finish {g['cycle_us']:.2f}), commands "
               f"{g['calls']:.2f} × (enqueue {g['enqueue_calls']:.2f}){bar}")


def tell_commands(orgs, by_command, jobs):
    for step, commands in by_command.items():
        print(f"{step} at {orgs} orgs, per job:")
        for name, (calls, usec) in sorted(commands.items(), key=lambda item: -item[1][1]):
            print(f"  {name:16} {calls / jobs:8.4f} calls {usec / jobs:8.3f} us")


def parse():
    parser = report.parser("orgs.py", __doc__)
    parser.add_argument("--orgs", default="1,50,1000,10000", help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=60000, help="of each run")
    parser.add_argument("--runs", type=int, default=5, help="of each number of orgs")
    parser.add_argument("--enqueue", default=str(CALL),
                        help="jobs an enqueue call, several with commas; default: %(default)s")
    parser.add_argument("--want", type=int, default=150, help="jobs a claim call")
    parser.add_argument("--in-flight", type=int, default=450, help="claimed at a time")
    parser.add_argument("--bar", type=float, default=2.0,
                        help="growth up to 1,000 orgs; default: %(default)s")
    parser.add_argument("--limit", action="append", default=[], metavar="SETTING=VALUE",
                        help="a limit that is set, as active:org/*=1000; repeatable")
    parser.add_argument("--commands", action="store_true", help="print them one by one too")
    args = report.arguments(parser)
    if args.commands and args.json:
        parser.error("--commands is for people: not with --json")
    args.orgs = [int(x) for x in args.orgs.split(",")]
    args.enqueue = [int(x) for x in args.enqueue.split(",")]
    return args


def judge(least, runs, bar):
    """The growth between two numbers of orgs, with a verdict up to 1,000 of them."""
    g = growth(least, runs)
    if runs[0]["orgs"] <= 1000:
        g.update(bar=bar, us_ok=g["us"] <= bar, calls_ok=g["calls"] <= bar,
                 ok=max(g["us"], g["calls"]) <= bar)
    return g


def main():
    args = parse()
    kinds = [(size, orgs) for size in args.enqueue for orgs in args.orgs]
    runs = {kind: [] for kind in kinds}
    for _ in range(args.runs):
        for size, orgs in kinds:
            found, by_command = measure(orgs, size, args)
            runs[size, orgs].append(found)
            if args.commands and len(runs[size, orgs]) == args.runs:
                tell_commands(orgs, by_command, args.jobs)
    grown = [judge(runs[size, min(args.orgs)], runs[size, orgs], args.bar)
             for size, orgs in kinds if orgs != min(args.orgs)]
    told = {"bench": "orgs", "rows": [median(runs[kind]) for kind in kinds], "growth": grown,
            "ok": all(g.get("ok", True) for g in grown)}
    return report.tell_one(args, told, table)


if __name__ == "__main__":
    sys.exit(main())
