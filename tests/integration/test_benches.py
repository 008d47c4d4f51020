#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks speak to programs alike: --json is one line of JSON on stdout and nothing else."""
import glob
import json
import os
import subprocess
import sys

BENCH = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "bench")
TABLE_ONLY = {"profile.py"}  # what the target `profile` shows
# One of each way of telling: rows of a table, a line for each measurement, one measurement.
TINY = (("orgs.py", "--orgs", "1,5", "--jobs", "200", "--runs", "1"),
        ("neighbours.py", "--only", "idle,cap-org", "--idle", "20", "--backlog", "20", "--jobs", "300",
         "--rounds", "1"),
        ("delayed.py", "--only", "burst", "--jobs", "200"))


def run(name, *words):
    return subprocess.run([os.path.join(BENCH, name), *words], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120, check=False)


def check(is_right, what, done):
    if not is_right:
        sys.exit(f"{what}\nexit status {done.returncode}\n{done.stdout}\n{done.stderr}")


def main():
    names = {os.path.basename(path) for path in glob.glob(os.path.join(BENCH, "*.py"))
             if os.access(path, os.X_OK)}
    for name in sorted(names):
        done = run(name, "--help")
        check(done.returncode == 0 and "Examples:" in done.stdout, f"{name} --help shows no examples",
              done)
        check(name in TABLE_ONLY or "--json" in done.stdout, f"{name} has no --json", done)
    for name, *words in TINY:
        done = run(name, *words, "--json")
        check(done.stdout.count("\n") == 1, f"{name} --json is not one line", done)
        told = json.loads(done.stdout)
        # Whether a bar is reached is the machine's matter, not this test's.
        check(told["bench"] == name[:-3] and done.returncode == (0 if told["ok"] else 1),
              f"{name}: what it tells and its exit status differ", done)
    done = run("neighbours.py", "--only", "idle,nobody")
    check(done.returncode == 2 and "nobody" in done.stderr, "a wrong --only is not told", done)


if __name__ == "__main__":
    main()
