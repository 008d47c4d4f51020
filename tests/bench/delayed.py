#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast delayed jobs become ready, and how late they start.

Examples:
  tests/bench/delayed.py                              # both, about two minutes
  tests/bench/delayed.py --only burst --jobs 200000   # a quick look
  tests/bench/delayed.py --only burst --orgs 1000     # many orgs
  tests/bench/delayed.py --json                       # one JSON line, no table
  WH_BUILD_DIR=build-other tests/bench/delayed.py     # of another build

A real wherry-scheduler (and for lateness a wherry-worker) on a private Redis.

  burst     --jobs jobs whose due times are spread over one second, orgs in turn, no worker.
            Figure: seconds from the first due time to the moment when none is delayed any
            more. Another client asks Redis something all the while: what it waits for an
            answer is told, and the longest of the scheduler's calls (SLOWLOG).
  lateness  jobs that become due one after the other, --rate a second for --seconds; a
            worker runs them. Figure: the 99th percentile of handler's start less due time.

Jobs are enqueued before the first is due (an error when that is not so: --lead gives more
time). Exit status 1 when a bar is missed.
"""
import sys
import time
import uuid

from programs import Programs
import report
import stamps
from fleet import PARTITION, wait_for
from resp import head

CALL = 1000
BURST_BAR_S, LATE_BAR_MS = 3.0, 20.0
DELAYED = f"{PARTITION}:delayed"
DEADLINE_S = 60  # of the slowest machine
PACE = 40000  # jobs a second that this program is expected to enqueue at least


class TooSlow(Exception):
    """The measurement does not count."""


def now_ms(redis):
    seconds, us = redis("TIME")
    return int(seconds) * 1000 + int(us) // 1000


def enqueue(s, count, orgs, payload_of, first_ms, due_after):
    """Job i is due due_after(i) ms after first_ms. By calls, whose heads are made once for
    each pair of org and delay."""
    redis = s.fleet.redis
    for begin in range(0, count, CALL):
        heads, args, ahead = {}, [], first_ms - now_ms(redis)
        if ahead < 0:
            break
        for i in range(begin, min(count, begin + CALL)):
            delay, org = ahead + due_after(i), i % orgs
            if (delay, org) not in heads:
                heads[delay, org] = head("noop", f"org-{org:05d}", dl=delay)
            args += [uuid.uuid4().bytes, heads[delay, org], payload_of(i)]
        s.fleet.fcall("wh1_enqueue_batch", *args)
    if now_ms(redis) >= first_ms:
        raise TooSlow("the first job was due before the last was enqueued: give more --lead")


def percentile(values, p):
    """Of sorted values."""
    return values[min(len(values) - 1, int(len(values) * p / 100))]


def scheduler_calls(redis):
    """us of each call of wh1_promote since the slow log began."""
    return sorted(int(entry[2]) for entry in redis("SLOWLOG", "GET", "-1")
                  if entry[3][:2] == [b"FCALL", b"wh1_promote"])


def cpu(redis):
    info = dict(line.split(":", 1) for line in redis("INFO", "cpu").decode().split()
                if ":" in line)
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def watch(redis, first_ms):
    """Asks how many are delayed till none is. Seconds from the first due time on, and the waits for
    each answer in ms, sorted."""
    waits, end = [], time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        asked = time.monotonic()
        left = redis("ZCARD", DELAYED)
        waits.append(1000 * (time.monotonic() - asked))
        if left == 0:
            return (now_ms(redis) - first_ms) / 1000, sorted(waits)
        time.sleep(0.001)
    raise AssertionError(f"{left} jobs are still delayed after {DEADLINE_S} s")


def burst(args):
    with Programs() as s:
        redis = s.fleet.redis
        s.fleet.start_scheduler("scheduler", *args.scheduler)
        first_ms = now_ms(redis) + round(1000 * (args.lead or args.jobs / PACE + 2))
        enqueue(s, args.jobs, args.orgs, lambda i: b"%0100d" % i, first_ms,
                lambda i: i % 1000)
        redis("CONFIG", "SET", "slowlog-log-slower-than", 0, "slowlog-max-len", 1000000)
        time.sleep(max(0.0, (first_ms - now_ms(redis)) / 1000 - 0.1))
        before = cpu(redis)
        seconds, waits = watch(redis, first_ms)
        us = 1e6 * (cpu(redis) - before) / args.jobs
        calls = scheduler_calls(redis)
        stats = s.fleet.stats()
    if stats["promoted"] != args.jobs or stats["pending"] != args.jobs:
        raise AssertionError(f"{stats['promoted']} promoted, {stats['pending']} pending "
                             f"of {args.jobs}")
    return {"measure": "burst", "figure": round(seconds, 3), "unit": "s", "bar": BURST_BAR_S,
            "ok": seconds <= BURST_BAR_S, "jobs": args.jobs, "orgs": args.orgs,
            "redis_us_per_job": round(us, 2), "calls": len(calls),
            "call_ms": {"median": percentile(calls, 50) / 1000, "most": calls[-1] / 1000},
            "other_client_ms": {"median": round(percentile(waits, 50), 3),
                                "p99": round(percentile(waits, 99), 3),
                                "most": round(waits[-1], 3)}}


def due_times(redis):
    """id -> ms, of what is delayed."""
    found, flat = {}, redis("ZRANGE", DELAYED, 0, -1, "WITHSCORES")
    for raw, due in zip(flat[::2], flat[1::2]):
        found[str(uuid.UUID(bytes=raw))] = float(due)
    return found


def lateness(args):
    count = round(args.rate * args.seconds)
    with Programs() as s:
        redis = s.fleet.redis
        s.fleet.configure(keep_count=0)
        s.fleet.start_scheduler("scheduler", *args.scheduler)
        s.start_worker(args.slots, args.processes)
        wait_for(lambda: s.fleet.stats()["workers"] > 0, "the worker")
        first_ms = now_ms(redis) + round(1000 * (args.lead or 2 * count / PACE + 2))
        enqueue(s, count, args.orgs, lambda i: b"0", first_ms, lambda i: int(i * 1000 / args.rate))
        due = due_times(redis)
        if now_ms(redis) >= first_ms or len(due) != count:
            raise TooSlow(f"{len(due)} of {count} jobs were seen waiting: give more --lead")
        time.sleep((first_ms - now_ms(redis)) / 1000 + args.seconds)
        s.fleet.wait_drained()
        ahead, found = s.clock_ahead(), stamps.load(s.stamps)
        processes = stamps.processes(s.stamps)
    if len(found) != count:
        raise AssertionError(f"{len(found)} of {count} jobs ran")
    late = sorted(1000 * (stamp.start + ahead) - due[stamp.id] for stamp in found)
    p99 = percentile(late, 99)
    return {"measure": "lateness", "figure": round(p99, 2), "unit": "ms", "bar": LATE_BAR_MS,
            "ok": p99 <= LATE_BAR_MS, "jobs": count, "orgs": args.orgs, "rate": args.rate,
            "slots": args.slots,
            "processes": processes,
            "late_ms": {"median": round(percentile(late, 50), 2), "p99": round(p99, 2),
                        "p999": round(percentile(late, 99.9), 2), "most": round(late[-1], 2)}}


MEASURES = {"burst": burst, "lateness": lateness}


def text_of(value):
    if isinstance(value, dict):
        return ", ".join(f"{name} {x:g}" for name, x in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def table(told):
    yield "| | bar | measured | |"
    yield "|---|---|---|---|"
    for line in told["measures"]:
        more = "; ".join(f"{name} {text_of(value)}" for name, value in line.items()
                         if name not in ("measure", "figure", "unit", "bar", "ok"))
        yield (f"| {line['measure']} | ≤ {line['bar']:g} {line['unit']} | {line['figure']} "
               f"{line['unit']} | {more} |")


def parse():
    parser = report.parser("delayed.py", __doc__)
    parser.add_argument("--only", default=",".join(MEASURES), help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=1000000, help="of burst; default: %(default)s")
    parser.add_argument("--rate", type=int, default=10000, help="of lateness; default: %(default)s")
    parser.add_argument("--seconds", type=float, default=20, help="of lateness; default: %(default)g")
    parser.add_argument("--orgs", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--slots", type=int, default=512, help="of the worker; default: %(default)s")
    parser.add_argument("--processes", type=int, default=1, help="of its handlers; default: %(default)s")
    parser.add_argument("--lead", type=float, default=0, help="seconds from the first enqueue to the "
                        "first due time; default: by the number of jobs")
    parser.add_argument("--scheduler", default="", help="words for wherry-scheduler's command line")
    args = report.arguments(parser)
    args.only, args.scheduler = report.chosen(parser, args.only, MEASURES), args.scheduler.split()
    return args


def main():
    args = parse()
    measures = [MEASURES[name](args) for name in args.only]
    return report.tell_one(args, {"bench": "delayed", "measures": measures,
                                  "ok": all(m["ok"] for m in measures)}, table)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except TooSlow as error:
        sys.exit(str(error))
