#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Round trips and system calls for a job: drains by one worker, and a producer.

How many jobs a batch of a drain holds is a matter of who runs when: medians of several
drains, and the widest tolerances of the table.
"""
import collections
import glob
import statistics
import tempfile
import time

import guard
from working import Working

WARM, JOBS, DRAINS = 5000, 20000, 5
STRACE = ("strace", "-D", "-ff", "-ttt", "-qq", "-s", "0", "-o")


def read_trace(folder, begin, end):
    """pid -> system calls between two times of the clock."""
    counts = collections.Counter()
    for path in glob.glob(f"{folder}/trace.*"):
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                stamp, _, call = line.partition(" ")
                if begin <= float(stamp) <= end and call[:1] not in "+-":
                    counts[int(path.rsplit(".", 1)[1])] += 1
    return counts


def drains(orgs):
    """(round trips, system calls of the worker, of its executor) per job."""
    with tempfile.TemporaryDirectory(prefix="wh-guard-") as folder:
        seen = []
        with Working(orgs, wrap=(*STRACE, f"{folder}/trace")) as w:
            w.warm_up(WARM)
            for _ in range(DRAINS):
                w.enqueue(JOBS)
                begin = time.time()
                calls = w.drain()
                seen.append((begin, time.time(), calls))
            children, worker = set(w.worker.children()), w.worker.pid
        found = []
        for begin, end, calls in seen:
            counts = read_trace(folder, begin, end)
            found.append((calls, counts[worker], sum(counts[pid] for pid in children)))
        return [statistics.median(each) / JOBS for each in zip(*found)]


def produce_once():
    with tempfile.TemporaryDirectory(prefix="wh-guard-") as folder:
        with Working(99) as w:
            w.produce(JOBS, (*STRACE, f"{folder}/trace"))
            calls = w.calls()
        return calls, sum(read_trace(folder, 0, time.time()).values())


def produce():
    """(round trips, system calls) per job of a producer's whole life: the least of three. One
    that a stalled machine takes the connection from sends again, or gives up."""
    seen, error = [], None
    for _ in range(3):
        try:
            seen.append(produce_once())
        except AssertionError as why:
            error = why
    if not seen:
        raise error
    return [min(each) / JOBS for each in zip(*seen)]


def measure():
    guard.need_strace()
    found = {}
    for orgs in (1, 99):
        trips, worker, executor = drains(orgs)
        found[f"drain.{orgs}-orgs.round-trips", "any"] = trips
        found[f"worker.{orgs}-orgs.syscalls", "any"] = worker
        found[f"executor.{orgs}-orgs.syscalls", "any"] = executor
    trips, calls = produce()
    found["producer.99-orgs.round-trips", "any"] = trips
    found["producer.99-orgs.syscalls", "any"] = calls
    return found


if __name__ == "__main__":
    guard.main(measure, __doc__)
