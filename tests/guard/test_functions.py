#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions of redis-server for a job: the functions, called as by tests/bench/instructions.py."""
import guard
import instructions


def measure():
    guard.need_valgrind()
    found, key = {}, guard.on_redis()
    args = instructions.options(["--jobs", "2000"])
    for orgs in args.orgs:
        row = instructions.measure(orgs, args)
        for step in ("enqueue", "cycle"):
            found[f"{step}.{orgs}-orgs.instructions", key] = row[f"{step}_instructions"]
    return found


if __name__ == "__main__":
    guard.main(measure, __doc__)
