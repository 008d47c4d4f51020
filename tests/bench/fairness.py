#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fairness and limits of a saturated worker, measured from outside by its handlers.

Examples:
  tests/bench/fairness.py                         # all, a window of 60 s each: 7 minutes
  tests/bench/fairness.py --seconds 15 --unit-ms 5    # a quick look, and a coarse one
  tests/bench/fairness.py --only shares-own-types,late-org
  tests/bench/fairness.py --json                  # all of them as one line, at the end
  WH_BUILD_DIR=build-other tests/bench/fairness.py    # of another build

A real wherry-worker and wherry-scheduler run on a private Redis; all orgs have jobs
waiting all the time. Handlers are processes that sleep (native, one job each) and write
down when they started and ended: worker-seconds are theirs. Weights and limits are set
with `wherry` while the worker runs. One JSON line for each measurement: its figure, the
bar, and ok. Exit status 1 when a bar is missed.

  shares-own-types   orgs of weight 3:2:1 whose jobs run 1:5:20 units of --unit-ms, each org
                     with a type of its own; figure: how far the share that is furthest off
                     is from 3:2:1, in % of it. Of worker-seconds by two clocks, the worse
                     counts: slots', from claim to finish (Redis' clock; what is charged), and
                     handlers', which leaves out what a job costs besides (about 0.5 ms: with
                     jobs of 2 ms the handlers of the shortest jobs have 10 % less)
  shares-one-type    the same with one type for all, so that its expected run time is
                     right for nobody
  groups             two orgs with the same jobs, one of them spread over 1,000 groups;
                     figure: what that org got beyond its half, in % of it
  group-shares       three groups of one org, jobs of one type that run 1:5:20 units, the type
                     capped to two slots less than there are; figure: how far the share of
                     handlers' seconds that is furthest off is from a third, in % of it
  late-org           an org enqueues its first job while 20 others are served, 20 times;
                     figure: the most jobs that started between that call and the job. One
                     turn for each of the others is the bar: a round
  limits             two lines of one window. rate: a type of one org is limited to 50 a
                     second, burst 20; figure: by how many jobs the claims of any span of the
                     window are above burst + rate × time (Redis' clock; 0 or less is right, and
                     95 % of the rate at least must be admitted). caps: an org capped to 2, a
                     type to 1, a group to 1; figure: the most handlers of one of them at once
                     beyond its cap
"""
import math
import statistics
import sys
import time

import stamps
from programs import QUEUE
import report
from saturation import NotSaturated, Saturation

WEIGHTS = {"acme": 3, "bolt": 2, "core": 1}
UNITS = {"acme": 1, "bolt": 5, "core": 20}
SHARE_BAR, GROUP_BAR = 5.0, 1.0  # percent
GROUPS, GROUP_MS = 1000, 20
RING, LATE_MS = 20, 10
RATE, BURST, LEAST_RATE = 50, 20, 0.95
CAPS = {"org bolt": 2, "type heavy": 1, "group core/g0": 1}


def result(measure, figure, bar, ok=None, **more):
    ok = figure <= bar if ok is None else ok
    return {"measure": measure, "figure": round(figure, 3), "bar": bar, "ok": bool(ok), **more}


def used(s, window):
    """Share of the slots' time that handlers had."""
    whole = sum(stamps.busy(window.stamps, window.begin, window.end).values())
    return round(whole / (s.slots * (window.end - window.begin)), 3)


def off(seconds):
    """org -> its share of these seconds, in % off the share of its weight."""
    whole, weights = sum(seconds.values()), sum(WEIGHTS.values())
    return {org: round(100 * (seconds[org] / whole * weights / weight - 1), 2)
            for org, weight in WEIGHTS.items()}


def shares(measure, args, kinds):
    with Saturation(args.slots) as s:
        s.keep_claims()
        for org, weight in WEIGHTS.items():
            s.backlog(org, kinds[org], UNITS[org] * args.unit_ms, weight / sum(WEIGHTS.values()),
                      args.seconds)
        s.start()
        for org, weight in WEIGHTS.items():
            s.wherry("org", "weight", org, str(weight), QUEUE)
        window = s.window(args.seconds)
        slots = stamps.busy(s.claims(), window.begin, window.end)
        handlers = stamps.busy(window.stamps, window.begin, window.end)
        slots_used = used(s, window)
    worst = [max(map(abs, off(seconds).values())) for seconds in (slots, handlers)]
    return result(measure, max(worst), SHARE_BAR, unit="% off", unit_ms=args.unit_ms,
                  slots_off=off(slots), handlers_off=off(handlers),
                  slot_seconds={o: round(slots[o], 2) for o in WEIGHTS},
                  handler_seconds={o: round(handlers[o], 2) for o in WEIGHTS},
                  slots_used=slots_used)


def shares_own_types(args):
    yield shares("shares-own-types", args, {org: f"{org}.job" for org in WEIGHTS})


def shares_one_type(args):
    yield shares("shares-one-type", args, {org: "job" for org in WEIGHTS})


def groups(args):
    with Saturation(args.slots) as s:
        s.backlog("plain", "job", GROUP_MS, 0.5, args.seconds)
        s.backlog("spread", "job", GROUP_MS, 0.5, args.seconds, groups=GROUPS)
        s.start()
        window = s.window(args.seconds)
        seconds = stamps.busy(window.stamps, window.begin, window.end)
        slots_used = used(s, window)
    gain = 100 * (2 * seconds["spread"] / (seconds["spread"] + seconds["plain"]) - 1)
    yield result("groups", gain, GROUP_BAR, unit="% gained", groups=GROUPS,
                 handler_seconds={o: round(x, 2) for o, x in seconds.items()},
                 slots_used=slots_used)


def group_shares(args):
    def group_of(stamp):  # by how long it ran
        return min(UNITS, key=lambda g: abs(math.log((stamp.end - stamp.start) * 1000 / args.unit_ms / UNITS[g])))

    with Saturation(args.slots) as s:
        for group, units in UNITS.items():
            s.backlog("org", "job", units * args.unit_ms, 1 / len(UNITS), args.seconds, group=group)
        s.start()
        s.wherry("limit", "set", QUEUE, f"active:type/job={args.slots - 2}")
        window = s.window(args.seconds)
        slots_used = used(s, window)
    found = [stamp._replace(org=group_of(stamp)) for stamp in window.stamps]
    seconds = stamps.busy(found, window.begin, window.end)
    shares_off = {g: round(100 * (seconds[g] / sum(seconds.values()) * len(UNITS) - 1), 2) for g in UNITS}
    yield result("group-shares", max(map(abs, shares_off.values())), SHARE_BAR, unit="% off", unit_ms=args.unit_ms,
                 off=shares_off, handler_seconds={g: round(seconds[g], 2) for g in UNITS}, slots_used=slots_used)


def late_org(args):
    """The late orgs' names come last in the ring's order, where virtual times are equal."""
    calls = {}

    def meanwhile(left):
        if len(calls) < RING and left < args.seconds * (1 - len(calls) / RING) - 0.2:
            org, before = f"z-late-{len(calls)}", time.monotonic()
            s.enqueue(org, "job", LATE_MS)
            calls[org] = before

    with Saturation(args.slots) as s:
        for i in range(RING):
            s.backlog(f"org-{i:02d}", "job", LATE_MS, 1 / RING, args.seconds)
        s.start()
        window = s.window(args.seconds, meanwhile)
        slots_used = used(s, window)
    start = {t.org: t.start for t in window.stamps if t.org in calls}
    between = [sum(calls[org] < t.start < start[org] for t in window.stamps) for org in calls]
    waits = [1000 * (start[org] - calls[org]) for org in calls]
    yield result("late-org", max(between), RING, unit="jobs before it", late_orgs=len(calls),
                  jobs_median=statistics.median(between),
                  wait_ms={"median": round(statistics.median(waits), 2), "most": round(max(waits), 2)},
                  round_ms=round(RING * LATE_MS / args.slots, 1), slots_used=slots_used)


def above(claims):
    """The most that a span of claims is above burst + rate × time; stamps are whole ms."""
    most, least_before = -BURST, float("inf")
    for i, at in enumerate(claims):
        least_before = min(least_before, i - RATE * at)
        most = max(most, i + 1 - RATE * (at + 0.001) - least_before - BURST)
    return most


def rate_of(claims, seconds):
    """claims: from the limit's first moment on, when the burst is there; seconds: since then."""
    allowed, least = BURST + RATE * seconds, LEAST_RATE * RATE * seconds
    most = above(claims)
    return result("rate", most, 0, most <= 0 and least <= len(claims) <= allowed,
                  unit="jobs above", admitted=len(claims), burst_and_rate=round(allowed, 1),
                  least=round(least, 1))


def caps_of(window):
    of = {"org bolt": lambda t: t.org == "bolt", "type heavy": lambda t: t.kind == "heavy",
          "group core/g0": lambda t: t.org == "core"}
    found = {name: stamps.most_at_once(filter(is_one, window.stamps), window.begin, window.end)
             for name, is_one in of.items()}
    beyond = max(found[name][0] - cap for name, cap in CAPS.items())
    return result("caps", beyond, 0, beyond == 0, unit="handlers beyond a cap", caps=CAPS,
                  most={n: f[0] for n, f in found.items()},
                  mean={n: round(f[1], 3) for n, f in found.items()})


def limits(args):
    with Saturation(args.slots) as s:
        s.keep_claims()
        s.backlog("acme", "light", 10, 1, args.seconds)
        s.backlog("bolt", "light", 10, 0.4, args.seconds)
        s.backlog("core", "light", 10, 0.25, args.seconds, groups=1)
        s.backlog("dune", "heavy", 10, 0.25, args.seconds)
        s.backlog("echo", "mail", 10, 0.25, args.seconds)
        s.start()
        s.wherry("limit", "set", QUEUE, f"rate:org/echo/type/mail={RATE}/1s/{BURST}",
                 f"active:org/bolt={CAPS['org bolt']}", f"active:type/heavy={CAPS['type heavy']}",
                 f"active:org/core/group/g0={CAPS['group core/g0']}")
        limited_at = time.monotonic()
        window = s.window(args.seconds)
        claims = [c.start for c in s.claims()
                  if c.org == "echo" and limited_at <= c.start <= window.end]
        slots_used = used(s, window)
    for line in (rate_of(claims, window.end - limited_at), caps_of(window)):
        yield {**line, "slots_used": slots_used}


MEASURES = {"shares-own-types": shares_own_types, "shares-one-type": shares_one_type,
            "groups": groups, "group-shares": group_shares, "late-org": late_org, "limits": limits}


def parse():
    parser = report.parser("fairness.py", __doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of each window; default: %(default)g")
    parser.add_argument("--slots", type=int, default=8, help="of the worker; default: %(default)s")
    parser.add_argument("--unit-ms", type=float, default=20,
                        help="run time of the shortest jobs of shares; default: %(default)g")
    parser.add_argument("--only", default=",".join(MEASURES), help="measurements, with commas")
    args = report.arguments(parser)
    args.only = report.chosen(parser, args.only, MEASURES)
    return args


def measure(name, args):
    extra = {"seconds": args.seconds, "slots": args.slots}
    try:
        for line in MEASURES[name](args):
            yield {**line, **extra}
    except NotSaturated as error:
        yield {"measure": name, "error": str(error), "ok": False, **extra}


def main():
    args = parse()
    lines = (line for name in args.only for line in measure(name, args))
    return report.tell(args, "fairness", lines)


if __name__ == "__main__":
    sys.exit(main())
