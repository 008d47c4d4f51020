# SPDX-License-Identifier: Apache-2.0
"""W2: from the enqueue call to the handler's first instruction, one job at a time.

The worker is warm and idle; what it and the broker cost then is measured too.
"""
import os
import struct
import time

from processes import Failure, cpu_of, mem_of

WARM_JOBS = 200


def pct(v, p):
    return v[min(len(v) - 1, int(len(v) * p))]


def sizes(folder):
    return {f: os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder)}


def read(folder, skip):
    """The u64 of all files, of each what comes after its skip[name] bytes."""
    v = []
    for f in os.listdir(folder):
        with open(os.path.join(folder, f), "rb") as h:
            h.seek(skip.get(f, 0))
            b = h.read()
            v += struct.unpack(f"<{len(b) // 8}Q", b[:len(b) // 8 * 8])
    return sorted(v)


def idle(rig):
    """CPU per second of the broker and of the workers while nothing happens."""
    def look():
        return rig.broker.sample()["cpu"], cpu_of(rig.workers), time.monotonic()
    a = look()
    time.sleep(1.0)
    z = look()
    return {"idle_redis_cpu": (z[0] - a[0]) / (z[2] - a[2]),
            "idle_worker_cpu": (z[1] - a[1]) / (z[2] - a[2])}


def run(rig, variant, n, gap_us):
    rig.work(variant)
    rig.client(["latency", str(WARM_JOBS), str(gap_us)], variant)
    rig.wait_tally(WARM_JOBS, poll=0.05)
    time.sleep(1.0)
    rss, pss = mem_of(rig.workers)
    skip = sizes(rig.lat)
    quiet = idle(rig)
    call = rig.client(["latency", str(n), str(gap_us)], variant)
    rig.wait_tally(WARM_JOBS + n, poll=0.05)
    time.sleep(0.1)
    v = read(rig.lat, skip)
    if len(v) != n:
        raise Failure(f"latency: {len(v)} of {n} measured")
    return {"n": n, "gap_us": gap_us, "p50_us": pct(v, .5) / 1e3,
            "p90_us": pct(v, .9) / 1e3, "p99_us": pct(v, .99) / 1e3,
            "max_us": v[-1] / 1e3, "call_p50_us": call.get("call_us_p50"),
            "idle_rss_kib": rss, "idle_pss_kib": pss, **quiet}
