# SPDX-License-Identifier: Apache-2.0
"""W1, and what W4 and W5 are made of: jobs are enqueued, then workers drain them.

run() measures one drain on a rig of its own. Rates are of all jobs; costs per job are
taken from the first 5 % on, when the runtimes are warm.
"""
import time

from machine import busy
from processes import Failure, cpu_of, mem_of

MEMORY_EVERY_S = 0.4


def per_job(a, b, n):
    return {k: (b[k] - a[k]) / n for k in a}


class Watch:
    """What is seen of the workers while they drain: two marks, peak of their memory."""

    def __init__(self, rig, want):
        self.rig, self.low = rig, max(1, want // 20)
        self.warm, self.peak, self.memory_at = None, [0, 0], 0.0

    def mark(self, done):
        machine = busy()
        return {"n": done, "t": time.monotonic(), "w": cpu_of(self.rig.workers),
                "b": self.rig.broker.sample(), "busy": machine}

    def poll(self, t, now):
        if self.warm is None and t["n"] >= self.low:
            self.warm = self.mark(t["n"])
        if now - self.memory_at > MEMORY_EVERY_S and t["n"] > 0:
            self.memory_at = now
            self.see_memory()

    def see_memory(self):
        for k, v in enumerate(mem_of(self.rig.workers)):
            self.peak[k] = max(self.peak[k], v)


def steady(a, z, want):
    """Costs per job between two marks; nothing when too little lies between them."""
    m, wall = z["n"] - a["n"], z["t"] - a["t"]
    if m <= 0.3 * want or wall <= 0.05:
        return {}
    d = per_job(a["b"], z["b"], m)
    return {"redis_drain_us": d["cpu"] * 1e6, "drain_cmds": d["cmds"],
            "drain_reads": d["reads"],
            "worker_us": (z["w"] - a["w"]) / m * 1e6,
            "redis_util": (z["b"]["cpu"] - a["b"]["cpu"]) / wall,
            "worker_util": (z["w"] - a["w"]) / wall,
            "machine_util": (z["busy"][0] - a["busy"][0])
            / max(1, z["busy"][1] - a["busy"][1]),
            "steady_per_s": m / wall}


def commands_per_job(before, after, want):
    """Those that more than one job in 500 needs."""
    runs = {k: v[0] - before.get(k, (0, 0))[0] for k, v in after.items()}
    return {k: round(v / want, 3) for k, v in runs.items() if v > want / 500}


def check_tally(end, n):
    if end["n"] != n or end["sum"] != n * (n - 1) // 2:
        raise Failure(f"ran {end['n']} of {n} jobs, id sum {end['sum']} "
                      f"against {n * (n - 1) // 2}")


def run(rig, variant, n, extra=None, take=None):
    """Enqueue n, then start the workers and time them to the last job (or, with
    `take`, to the first `take` jobs of that backlog)."""
    s0, m0 = rig.broker.sample(), busy()
    secs = rig.enqueue(n, variant, extra)
    enq = per_job(s0, rig.broker.sample(), n)
    want = take or n
    watch = Watch(rig, want)
    commands = rig.broker.commands()
    began = time.monotonic_ns()
    rig.work(variant)
    t = rig.wait_tally(want, on_poll=watch.poll)
    warm = watch.warm or watch.mark(t["n"])
    z = watch.mark(t["n"])
    commands = commands_per_job(commands, rig.broker.commands(), want)
    m1 = busy()
    watch.see_memory()
    rig.stop_workers()
    end = rig.read_tally()
    if take is None:
        check_tally(end, n)
    drain_s = (t["last"] - t["first"]) / 1e9
    r = {"jobs": n, "enqueue_s": secs, "enqueue_per_s": n / secs,
         "redis_enqueue_us": enq["cpu"] * 1e6, "bytes_per_job": enq["mem"],
         "enqueue_cmds": enq["cmds"], "enqueue_reads": enq["reads"],
         "start_s": (t["first"] - began) / 1e9, "drain_s": drain_s,
         "drain_per_s": t["n"] / max(1e-9, drain_s),
         "mem_left": rig.broker.sample()["mem"] - s0["mem"],
         "keys_left": rig.broker.keys_left(),
         "steal": (m1[2] - m0[2]) / max(1, m1[1] - m0[1]),
         "worker_rss_kib": watch.peak[0], "worker_pss_kib": watch.peak[1],
         **steady(warm, z, want)}
    if t["qn"] and extra:
        r["quiet_done_at"] = (t["qlast"] - t["first"]) / max(1, t["last"] - t["first"])
    r["commands"] = commands
    return r
