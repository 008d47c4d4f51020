#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where the time of an idle start goes, from the enqueue call to the handler's first act.

Examples:
  tests/bench/idle_start.py                          # 600 jobs, 2 ms apart
  tests/bench/idle_start.py --jobs 2000 --gap-us 500
  tests/bench/idle_start.py --json                   # one line, nothing else
  WH_BUILD_DIR=build-other tests/bench/idle_start.py    # of another build

Needs perf and the right to trace (root). A Redis, a worker with one native handler and a
producer of their own run; perf notes their system calls and switches, which makes each
start some 10 us longer than it is. The figures are means over the middle 40 % of the starts,
so that they add up, each stage's 99th percentile over all of them, and each program's system
calls and switches per job.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "fault"))
import report  # noqa: E402
from fleet import BUILD, Process, wait_for  # noqa: E402
from resp import Client, RedisError  # noqa: E402

LINE = re.compile(r"^\s*.+?\s+(\d+) \[\d+\]\s+([\d.]+):\s+(\S+?): (.*)$")
READ, WRITE, WRITEV, SENDTO, RECVFROM, CLOCK_NANOSLEEP, EPOLL_WAIT = 0, 1, 20, 44, 45, 230, 232
# (name, program, enter or exit, system calls): each ends the stage that it names.
MARKS = (
    ("producer: a call of libwherry", "producer", "enter", (SENDTO,)),
    ("to Redis: send, wake up", "redis", "exit", (EPOLL_WAIT,)),
    ("Redis reads", "redis", "exit", (READ,)),
    ("Redis: the function", "redis", "enter", (WRITE, WRITEV)),
    ("to the worker: write, wake up", "worker", "exit", (EPOLL_WAIT,)),
    ("worker: read, decode, choose a child", "worker", "enter", (WRITE,)),
    ("to the child: write, wake up", "child", "exit", (RECVFROM,)),
    ("child: decode, call the handler", "child", "enter", (WRITE,)),
)


def answers(path):
    try:
        return Client(path)
    except (OSError, RedisError):
        return None


def trace(folder, pids, producer):
    """perf's lines about these programs while the producer runs."""
    data = os.path.join(folder, "perf.data")
    perf = subprocess.Popen(
        ["perf", "record", "-q", "-m", "2048", "-k", "CLOCK_MONOTONIC", "-o", data,
         "-e", "sched:sched_switch,raw_syscalls:sys_enter,raw_syscalls:sys_exit",
         "-p", ",".join(str(pid) for pid in pids)], stderr=subprocess.DEVNULL)
    producer.wait()
    perf.send_signal(signal.SIGINT)
    perf.wait()
    script = subprocess.run(
        ["perf", "script", "-i", data, "--ns", "-F", "comm,tid,cpu,time,event,trace"],
        capture_output=True, text=True, check=True).stdout
    found = []
    for line in script.splitlines():
        match = LINE.match(line)
        if match:
            tid, at, event, text = match.groups()
            call = int(text.split()[1]) if text.startswith("NR ") else None
            found.append((float(at) * 1e6, int(tid), event.rsplit("_", 1)[-1], call))
    return sorted(found)


def starts(events, names):
    """Of each job its marks' times, and how often each program called and switched."""
    jobs, job = [], None
    for at, tid, what, call in events:
        name = names.get(tid)
        if name == "producer" and what == "exit" and call == CLOCK_NANOSLEEP:
            job = {"times": [at], "calls": {}, "switches": {}}
            jobs.append(job)
        if job is None:
            continue
        kind = {"enter": "calls", "switch": "switches"}.get(what)
        if kind:
            job[kind][name] = job[kind].get(name, 0) + 1
        if len(job["times"]) <= len(MARKS):
            _, program, edge, calls = MARKS[len(job["times"]) - 1]
            if (name, what) == (program, edge) and call in calls:
                job["times"].append(at)
    return [job for job in jobs if len(job["times"]) == len(MARKS) + 1]


def figures(jobs):
    jobs.sort(key=lambda job: job["times"][-1] - job["times"][0])
    middle = jobs[len(jobs) * 3 // 10:len(jobs) * 7 // 10]
    if not middle:
        sys.exit(f"idle_start.py: only {len(jobs)} starts were traced from end to end: take more --jobs")

    def mean(values):
        values = list(values)
        return round(sum(values) / len(values), 1)
    stages = {mark[0]: (i, i + 1) for i, mark in enumerate(MARKS)} | {"all": (0, len(MARKS))}

    def took(start, end, among):
        return [job["times"][end] - job["times"][start] for job in among]
    row = {name: mean(took(*ends, middle)) for name, ends in stages.items()}
    row["p99"] = {name: round(sorted(took(*ends, jobs))[len(jobs) * 99 // 100], 1)
                  for name, ends in stages.items()}
    for kind in ("calls", "switches"):
        row[kind] = {name: mean(job[kind].get(name, 0) for job in jobs)
                     for name in ("producer", "redis", "worker", "child")}
    return {"bench": "idle_start", "starts": len(jobs), **row, "ok": True}


def table(row):
    yield "| stage, µs | mean of the middle | p99 |"
    yield "|---|---|---|"
    for name, p99 in row["p99"].items():
        yield f"| {name} | {row[name]} | {p99} |"
    for kind in ("calls", "switches"):
        yield f"{kind} a job: " + ", ".join(f"{name} {n}" for name, n in row[kind].items())


def run(args, folder):
    path = os.path.join(folder, "redis.sock")
    env = {"PEERS_REDIS_SOCK": path, "PEERS_TALLY": folder, "PEERS_LAT": args.lat,
           "PEERS_CONC": "16", "WHERRY_BUILD": os.path.realpath(BUILD)}
    redis = Process("redis", ["redis-server", "--port", "0", "--unixsocket", path, "--save", "",
                              "--dir", folder, "--appendonly", "no"], folder)
    client = wait_for(lambda: answers(path), "Redis to answer")
    worker = Process("worker", [os.path.join(HERE, "wherry"), "work"], folder, env)
    wait_for(lambda: client("ZCARD", "wh:{eu:bench}:idle") == 1, "the worker to be idle: "
             + worker.log())
    child = int(subprocess.run(["pgrep", "-P", str(worker.pid)], capture_output=True, text=True,
                               check=True).stdout.split()[0])
    producer = Process("producer", [os.path.join(BUILD, "bench", "producer"), "latency",
                                    str(args.jobs), str(args.gap_us)], folder, env)
    names = {redis.pid: "redis", worker.pid: "worker", child: "child",
             producer.pid: "producer"}
    try:
        return figures(starts(trace(folder, names, producer), names))
    finally:
        worker.kill9()
        redis.kill9()


def main():
    parser = report.parser("idle_start.py", __doc__)
    parser.add_argument("--jobs", type=int, default=600, help="default: %(default)s")
    parser.add_argument("--gap-us", type=int, default=2000, help="default: %(default)s")
    args = report.arguments(parser)
    if shutil.which("perf") is None:
        print("perf is not installed", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="wh-bench-") as folder:
        args.lat = os.path.join(folder, "lat")
        os.mkdir(args.lat)
        return report.tell_one(args, run(args, folder), table)


if __name__ == "__main__":
    sys.exit(main())
