#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Redis commands that the functions call for a job, and bytes of a waiting one."""
import guard
from library import Library

ORGS = (1, 99, 1000)
JOBS = 4000
WAITING = 120000  # well between two sizes of the hash table: it is not moving then


def measure():
    found, key = {}, guard.on_redis()
    for orgs in ORGS:
        with Library(orgs, steps_ms=1) as lib:
            for step, work in (("enqueue", lambda: lib.enqueue(JOBS)),
                               ("cycle", lambda: lib.work(150, 450))):
                lib.reset()
                work()
                calls = sum(calls for calls, _ in lib.commands().values())
                found[f"{step}.{orgs}-orgs.commands", "any"] = calls / JOBS
    with Library(99, steps_ms=1) as lib:
        lib.enqueue(99)
        before = lib.memory()
        lib.enqueue(WAITING, 100)  # small calls: small buffers
        found["waiting.99-orgs.bytes", key] = (lib.memory() - before) / WAITING
    return found


if __name__ == "__main__":
    guard.main(measure, __doc__)
