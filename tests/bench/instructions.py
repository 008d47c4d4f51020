#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions that redis-server runs for a job: a figure that no busy machine blurs.

Examples:
  tests/bench/instructions.py                          # 1, 99 and 1,000 orgs, a minute
  tests/bench/instructions.py --orgs 1 --jobs 2000     # a quick look
  tests/bench/instructions.py --want 1 --in-flight 1   # jobs one by one
  tests/bench/instructions.py --json                   # all of them as one line, at the end
  WH_BUILD_DIR=build-other tests/bench/instructions.py    # of another build

Needs valgrind: the server runs under callgrind, which counts the instructions of the
whole process, less what comes by the clock (serverCron). After --jobs jobs to warm up come
as many that count: enqueued (calls of --enqueue), then claimed and finished (calls of --want
while --in-flight run). Orgs take turns; the functions' clock goes on by 1 ms a call, so that
how slow valgrind is changes nothing. One JSON line for each number of orgs. Compare figures
of one build of Redis only.
"""
import sys
import tempfile

import callgrind
from library import CALL, Library
import report


def parts(orgs, args):
    """callgrind's (enqueue, claim and finish) of --jobs jobs, and Redis commands in each."""
    with tempfile.TemporaryDirectory(prefix="wh-bench-") as folder:
        watch = callgrind.Watch(folder, "echoCommand")
        with Library(orgs, wrap=watch.words, steps_ms=1, limits=args.limit) as lib:
            _work(lib, args)
            commands = []
            for step in (lambda: _enqueue(lib, args), lambda: _finish(lib, args)):
                lib.reset()
                lib.mark()
                step()
                commands.append(sum(calls for calls, _ in lib.commands().values()))
            lib.mark()
            lib.shutdown()
            pid = lib.server.pid
        return [watch.part(pid, number) for number in (2, 3)], commands


def _enqueue(lib, args):
    if args.records:
        lib.enqueue_records(args.jobs, args.enqueue)
    else:
        lib.enqueue(args.jobs, args.enqueue)


def _work(lib, args):
    _enqueue(lib, args)
    _finish(lib, args)


def _finish(lib, args):
    done = lib.work(args.want, args.in_flight)
    if done != args.jobs:
        raise AssertionError(f"{done} of {args.jobs} jobs were finished")


def measure(orgs, args):
    counts, commands = parts(orgs, args)
    each = [(part.total - part.under("serverCron")) / args.jobs for part in counts]
    return {"orgs": orgs, "enqueue_instructions": round(each[0]),
            "cycle_instructions": round(each[1]), "instructions": round(sum(each)),
            "enqueue_commands": round(commands[0] / args.jobs, 4),
            "cycle_commands": round(commands[1] / args.jobs, 4)}


def options(words=None):
    parser = report.parser("instructions.py", __doc__)
    parser.add_argument("--orgs", default="1,99,1000", help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=4000, help="default: %(default)s")
    parser.add_argument("--enqueue", type=int, default=CALL, help="jobs an enqueue call")
    parser.add_argument("--records", action="store_true",
                        help="enqueue as libwherry does: records, an org's side by side")
    parser.add_argument("--want", type=int, default=150, help="jobs a claim call")
    parser.add_argument("--in-flight", type=int, default=450, help="claimed at a time")
    parser.add_argument("--limit", action="append", default=[], metavar="SETTING=VALUE",
                        help="a limit that is set, as active:org/*=1000; repeatable")
    args = report.arguments(parser, words)
    args.orgs = [int(x) for x in args.orgs.split(",")]
    return args


def rows(args):
    first = None
    for orgs in args.orgs:
        row = measure(orgs, args)
        first = first or row
        yield {**row, "growth": round(row["instructions"] / first["instructions"], 2)}


def main():
    args = options()
    if not callgrind.is_there():
        print("valgrind is not installed", file=sys.stderr)
        return 1
    return report.tell(args, "instructions", rows(args))


if __name__ == "__main__":
    sys.exit(main())
