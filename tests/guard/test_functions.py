#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions of redis-server for a job: the functions, called as by tests/bench/instructions.py."""
import guard
import instructions


JOBS = ["--jobs", "2000"]
RECORDS = ["--orgs", "1,50", "--records"]
LIMITS = ["--orgs", "99", "--limit", "active:org/*=1000",
          "--limit", "breaker:type/*=50/20/10000/30000/3"]


def measure():
    guard.need_valgrind()
    found, key = {}, guard.on_redis()
    for words, suffix in ((JOBS, ""), (JOBS + LIMITS, "-limited"), (JOBS + RECORDS, "-records")):
        args = instructions.options(words)
        for orgs in args.orgs:
            row = instructions.measure(orgs, args)
            for step in ("enqueue",) if args.records else ("enqueue", "cycle"):
                name = f"{step}.{orgs}-orgs{suffix}.instructions"
                found[name, key] = row[f"{step}_instructions"]
    return found


if __name__ == "__main__":
    guard.main(measure, __doc__)
