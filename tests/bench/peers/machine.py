# SPDX-License-Identifier: Apache-2.0
"""The machine under a run: what it is, how busy, and how fast it is just now.

Small virtual machines are noisy. A Noise measures before each W1 what a fixed loop
and a fixed Redis command cost, so that the figures can be judged.
"""
import hashlib
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time

from broker import RedisBroker

HERE = os.path.dirname(os.path.abspath(__file__))


def busy():
    """(busy, total, stolen) CPU ticks of the whole machine."""
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    return sum(v) - v[3] - v[4], sum(v), v[7]


def spin():
    """MB/s of SHA-256 over 60 ms on one core: the machine's own noise."""
    block, n, t0 = bytes(1 << 16), 0, time.perf_counter()
    while time.perf_counter() - t0 < 0.06:
        hashlib.sha256(block).digest()
        n += 1
    return n * len(block) / (time.perf_counter() - t0) / 1e6


def yardstick(args):
    """Redis' CPU us for one XADD of raw-stream, on a server of its own: how fast
    this machine is for Redis just now. None where build/raw is missing."""
    raw = os.path.join(HERE, "build", "raw")
    if not os.access(raw, os.X_OK):
        return None
    n, tmp = 40000, tempfile.mkdtemp(prefix="peers.", dir=args.tmp)
    try:
        with open(os.path.join(tmp, "log"), "ab") as log:
            broker = RedisBroker(tmp, "none", log, args.tcp)
            try:
                a = broker.sample()["cpu"]
                subprocess.run([raw, "enqueue", str(n)], check=True, timeout=60,
                               stdout=log, env={**os.environ, **broker.env})
                return (broker.sample()["cpu"] - a) / n * 1e6
            finally:
                broker.close()
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


class Noise:
    def __init__(self, args):
        self.args, self.spins, self.yards = args, [], []

    def measure(self):
        """As two fields of a W1's result."""
        self.spins.append(spin())
        yard = yardstick(self.args)
        if yard:
            self.yards.append(yard)
        return {"spin": self.spins[-1], "yardstick_us": yard}

    def lines(self, rows):
        """What it was in these results, for the end of the report."""
        out, spins, yards = [], self.spins, self.yards
        if spins:
            stolen = [x["steal"] for r in rows for x in r.get("variants", [])
                      + r.get("runs", [])]
            out.append(f"noise: a fixed loop before each W1 ran at {min(spins):.0f} to "
                       f"{max(spins):.0f} MB/s (median {statistics.median(spins):.0f}); CPU "
                       f"stolen by the host at most {100 * max(stolen, default=0):.1f} %")
        if yards:
            out.append(f"and one XADD cost Redis {min(yards):.2f} to {max(yards):.2f} us of CPU "
                       f"(median {statistics.median(yards):.2f})")
        return out


def describe():
    redis = subprocess.run(["redis-server", "--version"], capture_output=True,
                           text=True).stdout.split()
    model = ""
    try:
        with open("/proc/cpuinfo") as f:
            model = next((x.split(":", 1)[1].strip() for x in f
                          if x.startswith("model name")), "")
    except OSError:
        pass
    return {"cores": os.cpu_count(), "cpu": model, "kernel": platform.release(),
            "redis": next((x[2:] for x in redis if x.startswith("v=")), "?"),
            "load_before": os.getloadavg()[0]}
