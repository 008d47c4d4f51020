#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions that redis-server runs for a job: a figure that no busy machine blurs.

Examples:
  tests/bench/instructions.py                          # 1, 99 and 1,000 orgs, some minutes
  tests/bench/instructions.py --orgs 1 --jobs 2000     # a quick look
  tests/bench/instructions.py --want 1 --in-flight 1   # jobs one by one
  WH_BUILD_DIR=build-other tests/bench/instructions.py    # of another build

Needs valgrind: the server runs under callgrind, which counts the instructions of the
whole process. Each figure is the difference of two runs, one with --jobs jobs and one
with twice as many, over --jobs, so that the start is left out: of enqueueing them
(calls of --enqueue), and of claiming and finishing them as well (calls of --want while
--in-flight run), less the former. Orgs take turns. One JSON line for each number of
orgs. Compare figures of one build of Redis only.
"""
import argparse
import json
import re
import shutil
import sys

from library import CALL, Library

CALLGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")


def count(orgs, jobs, does_work, args):
    """Instructions of a server's whole life."""
    with Library(orgs, wrap=CALLGRIND) as lib:
        lib.enqueue(jobs, args.enqueue)
        if does_work:
            done = lib.work(args.want, args.in_flight)
            if done != jobs:
                raise AssertionError(f"{done} of {jobs} jobs were finished")
        log = lib.shutdown()
    collected = re.search(r"Collected : (\d+)", log)
    if not collected:
        raise AssertionError("callgrind told no sum: " + log[-500:])
    return int(collected.group(1))


def measure(orgs, args):
    each = [(count(orgs, 2 * args.jobs, does_work, args)
             - count(orgs, args.jobs, does_work, args)) / args.jobs
            for does_work in (False, True)]
    return {"orgs": orgs, "enqueue_instructions": round(each[0]),
            "cycle_instructions": round(each[1] - each[0]), "instructions": round(each[1])}


def parse():
    text = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="instructions.py", description=__doc__,
                                     formatter_class=text)
    parser.add_argument("--orgs", default="1,99,1000", help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=4000, help="default: %(default)s")
    parser.add_argument("--enqueue", type=int, default=CALL, help="jobs an enqueue call")
    parser.add_argument("--want", type=int, default=150, help="jobs a claim call")
    parser.add_argument("--in-flight", type=int, default=450, help="claimed at a time")
    args = parser.parse_args()
    args.orgs = [int(x) for x in args.orgs.split(",")]
    return args


def main():
    args = parse()
    if shutil.which("valgrind") is None:
        print("valgrind is not installed", file=sys.stderr)
        return 1
    first = None
    for orgs in args.orgs:
        row = measure(orgs, args)
        first = first or row
        row["growth"] = round(row["instructions"] / first["instructions"], 2)
        print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
