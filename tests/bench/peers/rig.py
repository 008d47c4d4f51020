# SPDX-License-Identifier: Apache-2.0
"""What one measurement runs on: a fresh broker, its folders, producers and workers.

Opened for one measurement and closed after it, also when it fails. How far the
workers are is read from the tally files that they keep (README.md).
"""
import json
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time

from broker import OwnBroker, RedisBroker
from processes import Failure, spawn, stop


class Rig:
    """A fresh broker and the folders of one measurement."""

    def __init__(self, contender, profile, orgs, args):
        self.c, self.orgs, self.args = contender, orgs, args
        self.tmp = tempfile.mkdtemp(prefix="peers.", dir=args.tmp)
        self.tally = os.path.join(self.tmp, "tally")
        self.lat = os.path.join(self.tmp, "lat")
        os.mkdir(self.tally)
        os.mkdir(self.lat)
        self.log = open(os.path.join(self.tmp, "log"), "ab")
        self.workers = []
        try:
            if contender.info.get("broker", "redis") == "redis":
                self.broker = RedisBroker(self.tmp, profile, self.log, args.tcp)
            else:
                self.broker = OwnBroker(contender, self.tmp, profile, self.log)
        except Exception:
            self.log.close()
            shutil.rmtree(self.tmp, ignore_errors=True)
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def env(self, variant, extra=None):
        e = {**os.environ, **self.broker.env, "PEERS_TALLY": self.tally,
             "PEERS_LAT": self.lat, "PEERS_TMP": self.tmp}
        if self.orgs:
            e["PEERS_ORGS"] = str(self.orgs)
        e.update((variant or {}).get("env", {}))
        e.update(extra or {})
        return e

    def tail(self):
        with open(os.path.join(self.tmp, "log"), "rb") as f:
            return f.read()[-600:].decode(errors="replace")

    def client(self, words, variant=None, extra=None, timeout=900):
        p = spawn([self.c.path, *words], self.env(variant, extra), self.log,
                  stdout=subprocess.PIPE, text=True)
        try:
            out, _ = p.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"{' '.join(words)}: over {timeout} s")
        finally:
            stop(p)
        if p.returncode:
            raise Failure(f"{' '.join(words)} ended with {p.returncode}: {self.tail()}")
        return json.loads(out.strip().splitlines()[-1])

    def enqueue(self, n, variant=None, extra=None, timeout=900):
        """One producer process, or several side by side (--producers)."""
        k = max(1, min(self.args.producers, n))
        if k == 1:
            r = self.client(["enqueue", str(n)], variant, extra, timeout)
            if r.get("n") != n:
                raise Failure(f"enqueued {r.get('n')} of {n}")
            return r["seconds"]
        return self.enqueue_side_by_side(n, k, variant, extra, timeout)

    def enqueue_side_by_side(self, n, k, variant, extra, timeout):
        """The seconds of the slowest of k producers."""
        share = n // k
        ps = []
        for j in range(k):
            m = share if j < k - 1 else n - share * (k - 1)
            e = {"PEERS_FIRST": str(share * j), **(extra or {})}
            ps.append(spawn([self.c.path, "enqueue", str(m)], self.env(variant, e),
                            self.log, stdout=subprocess.PIPE, text=True))
        secs = []
        for p in ps:
            out, _ = p.communicate(timeout=timeout)
            stop(p)
            secs.append(json.loads(out.strip().splitlines()[-1])["seconds"])
        return max(secs)

    def work(self, variant):
        for _ in range(variant["procs"]):
            self.workers.append(spawn([self.c.path, "work"], self.env(variant),
                                      self.log, stdout=self.log))

    def read_tally(self):
        t = {"n": 0, "sum": 0, "first": 0, "last": 0, "qn": 0, "qlast": 0}
        for f in os.listdir(self.tally):
            try:
                with open(os.path.join(self.tally, f), "rb") as h:
                    b = h.read(48)
            except OSError:
                continue
            if len(b) < 48:
                continue
            n, s, first, last, qn, ql = struct.unpack("<6Q", b)
            t["n"] += n
            t["sum"] += s
            if first and (t["first"] == 0 or first < t["first"]):
                t["first"] = first
            t["last"] = max(t["last"], last)
            t["qn"] += qn
            t["qlast"] = max(t["qlast"], ql)
        return t

    def wait_tally(self, n, stall=30.0, on_poll=None, poll=0.01):
        seen, since = -1, time.monotonic()
        while True:
            t = self.read_tally()
            now = time.monotonic()
            if on_poll:
                on_poll(t, now)
            if t["n"] >= n:
                return t
            if t["n"] != seen:
                seen, since = t["n"], now
            elif now - since > stall:
                raise Failure(f"stalled at {t['n']} of {n} jobs: {self.tail()}")
            for p in self.workers:
                if p.poll() is not None:
                    raise Failure(f"a worker ended with {p.returncode}: {self.tail()}")
            time.sleep(poll)

    def stop_workers(self):
        for p in self.workers:
            if p.poll() is None:
                p.send_signal(signal.SIGTERM)
        for p in self.workers:
            stop(p)
        self.workers = []

    def close(self):
        self.stop_workers()
        self.broker.close()
        self.log.close()
        if self.args.keep:
            self.args.say(f"kept {self.tmp}")
        else:
            shutil.rmtree(self.tmp, ignore_errors=True)
