#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where the time of a drain and of a bulk enqueue goes, in us of CPU per job, as a table.

Examples:
  cmake --build build --target profile     # a minute or two
  tests/bench/profile.py --orgs 1          # one org instead of 99
  tests/bench/profile.py --runs 5          # calmer figures on a busy machine

CPU time is measured on real processes: a producer that enqueues --jobs jobs in bulk,
and one worker with one executor that drains them; medians of --runs. How much of it
the kernel took is what the system says of each process. What a process itself took is
divided as valgrind's callgrind counts its instructions in the same work: by what
redis-server is at, by the folder of our source or the library for our programs. An
instruction is not a time: rows of much memory (commands, allocation) cost more than
their share says, rows of little cost less. Each table adds up to its total.
"""
import argparse
import collections
import os
import resource
import statistics
import sys
import time

import callgrind
import instructions
from working import Working, watch_drain, watch_produce

TICKS = os.sysconf("SC_CLK_TCK")


# ---- CPU time of real processes

def cpu(pid):
    """(ns of CPU of all its threads, share that the kernel took of it so far)."""
    run = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            run += int(file.read().split()[0])
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        user, system = [int(x) for x in file.read().rsplit(")", 1)[1].split()[11:13]]
    return run, user, system


def spent(before, after, jobs):
    """(us of its own, us in the kernel) per job between two cpu()."""
    run, user, system = [b - a for a, b in zip(before, after)]
    share = system / max(1, user + system)
    return [run / jobs / 1000 * (1 - share), run / jobs / 1000 * share]


def produce(w, jobs):
    """Its own CPU time and the kernel's, per job."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    w.produce(jobs)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return [(after.ru_utime - before.ru_utime) * 1e6 / jobs,
            (after.ru_stime - before.ru_stime) * 1e6 / jobs]


def measure(args):
    """step -> {process: [own us, kernel us]} and us of the clock per job."""
    with Working(args.orgs) as w:
        w.warm_up(args.jobs // 5)
        child, = w.worker.children()
        pids = {"redis-server": w.fleet.redis_process.pid, "wherry-worker": w.worker.pid,
                "wherry-executor": child}
        begin, before = time.monotonic(), cpu(pids["redis-server"])
        producer = produce(w, args.jobs)
        enqueue = {"redis-server": spent(before, cpu(pids["redis-server"]), args.jobs),
                   "producer": producer}
        enqueue_clock = (time.monotonic() - begin) * 1e6 / args.jobs
        w.enqueue(args.jobs)
        before = {name: cpu(pid) for name, pid in pids.items()}
        begin = time.monotonic()
        w.drain()
        clock = (time.monotonic() - begin) * 1e6 / args.jobs
        drain = {name: spent(before[name], cpu(pid), args.jobs) for name, pid in pids.items()}
    return {"enqueue": (enqueue, enqueue_clock), "drain": (drain, clock)}


def medians(runs, step):
    names = runs[0][step][0]
    return ({name: [statistics.median(run[step][0][name][i] for run in runs) for i in (0, 1)]
             for name in names}, statistics.median(run[step][1] for run in runs))


# ---- shares of instructions

def collectors(parts):
    """The collector's step has no name in Debian's Redis: it is what both of these call."""
    def callees(name):
        return {callee for part in parts for caller, callee in part.calls if caller == name}
    return callees("lua_createtable") & callees("lua_pushlstring")


def redis_shares(part, collector):
    """What redis-server is at: row -> share. redis.call is known by calling scriptCall."""
    def edge(caller, callee):
        return part.calls[caller, callee]

    functions = edge("call", "fcallCommand")
    lua = edge("luaCallFunction", "lua_pcall")
    commands = edge("scriptCall", "call")
    from_lua = sum(part.under(caller) for caller in
                   {caller for caller, callee in part.calls if callee == "scriptCall"})
    collected = sum(map(part.under, collector))
    rows = {"Lua: running the functions": lua - from_lua - collected,
            "Lua: garbage collection": collected,
            "Redis commands that the functions call": commands,
            "between Lua and Redis: arguments, checks, replies": from_lua - commands,
            "replies of the functions": functions - lua,
            "reading calls, writing replies, event loop": part.total - functions}
    if min(rows.values()) < 0 or functions == 0:
        raise AssertionError(f"this build of Redis has other functions: {rows}")
    return {name: cost / part.total for name, cost in rows.items()}


def program_row(part, function):
    path, where = part.file_of[function], os.path.basename(part.object_of[function])
    if where.startswith(("wherry-", "producer", "noop")):
        for folder in ("worker/executors/host", "worker/executors", "common/client", "common/store",
                       "common/io", "common/job", "common/base", "worker", "tests"):
            if f"/{folder}/" in path:
                return folder
        return "the rest of the program"
    if where.startswith("libc.") and "/malloc" in path:
        return "libc: malloc and free"
    name = where.split(".so")[0].split("-2.")[0]
    return "libc: the rest" if name in ("libc", "ld-linux-x86-64") else name


def program_shares(part):
    found = collections.Counter()
    for function, cost in part.own.items():
        found[program_row(part, function)] += cost / part.total
    small = [name for name, share in found.items() if share < 0.01]
    rest = sum(found.pop(name) for name in small)
    return {**dict(found.most_common()), "others": rest}


def shares(args):
    counted = instructions.options(["--jobs", "2000", "--want", "300"])
    (enqueue, cycle), _ = instructions.parts(args.orgs, counted)
    collector = collectors((enqueue, cycle))
    worker, _, executor = watch_drain(args.orgs, 5000)
    return {"enqueue": {"redis-server": redis_shares(enqueue, collector),
                        "producer": program_shares(watch_produce(args.orgs, 10000))},
            "drain": {"redis-server": redis_shares(cycle, collector),
                      "wherry-worker": program_shares(worker),
                      "wherry-executor": program_shares(executor)}}


# ---- the table

def rows(costs, split):
    for name, (own, kernel) in costs.items():
        yield name, own + kernel, 0
        for row, share in split[name].items():
            yield row, own * share, 1
        yield "kernel: sockets, sleeping, waking", kernel, 1


def tell(step, found, split, what):
    costs, clock = found
    total = sum(own + kernel for own, kernel in costs.values())
    print(f"\n{what}: {1e6 / clock:,.0f} jobs/s, {clock:.2f} us of the clock a job\n")
    print(f"{'us of CPU per job':56} {'us':>6} {'%':>6}")
    for name, cost, depth in rows(costs, split):
        print(f"{'    ' * depth + name:56} {cost:6.2f} {100 * cost / total:6.1f}")
    print(f"{'all processes of the ' + step:56} {total:6.2f} {100:6.1f}")


def parse():
    text = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="profile.py", description=__doc__, formatter_class=text)
    parser.add_argument("--orgs", type=int, default=99, help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=100000, help="default: %(default)s")
    parser.add_argument("--runs", type=int, default=3, help="default: %(default)s")
    return parser.parse_args()


def main():
    args = parse()
    if not callgrind.is_there():
        print("valgrind is not installed: scripts/setup --tests does", file=sys.stderr)
        return 1
    runs = [measure(args) for _ in range(args.runs)]
    split = shares(args)
    noun = "org" if args.orgs == 1 else "orgs"
    for step, what in (("enqueue", "Bulk enqueue"), ("drain", "Drain")):
        tell(step, medians(runs, step), split[step],
             f"{what} of {args.jobs:,} no-op jobs in {args.orgs} {noun}, medians of {args.runs}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
