# SPDX-License-Identifier: Apache-2.0
"""How fast real workers end jobs: a private Redis, a backlog, `wherry-worker` processes.

with Drain() as d: d.enqueue(…); d.start_worker(…); rate = d.rate(…)
Rates are of the finishes that Redis accepted, over the middle of a drain: from the time
on when everything runs to one when there is still work.
"""
import os
import struct
import time

from private import Private, need_built
from fleet import BUILD, PARTITION, wait_for
from resp import head

NOOP = "native:" + os.path.join(BUILD, "lib", "wherry", "handlers", "noop.so")
SLEEP = "native:" + os.path.join(BUILD, "lib", "wherry", "bench-plugins", "sleep_handler.so")
CALL = 1000
TICK_S = 0.01


class Drain(Private):
    def __init__(self):
        need_built(*(path.partition(":")[2] for path in (NOOP, SLEEP)))
        super().__init__()
        self.sent, self.stamps = 0, os.path.join(self.fleet.folder, "stamps")  # of the sleep handler

    def begin(self):
        self.fleet.configure(keep_count=0)
        os.mkdir(self.stamps)

    def enqueue(self, count, payload, org="default", kind="noop", key=PARTITION):
        """`count` equal jobs; every id is new."""
        begin, job = head(kind, org), str(payload).encode()
        for first in range(self.sent, self.sent + count, CALL):
            args = []
            for number in range(first, min(first + CALL, self.sent + count)):
                args += [struct.pack(">QQ", 0x0190000000007000 + number // 1000,
                                     0x8000000000000000 + number), begin, job]
            self.fleet.fcall("wh1_enqueue_batch", *args, key=key)
        self.sent += count

    def start_worker(self, name, run, *options, ready=True, **more):
        """run: text of a handler for all types, or its settings."""
        return self.fleet.start_worker(
            name, {"*": run}, "--log-level", "warn", "--lease", "15s", "--heartbeat", "5s", *options,
            env={"BENCH_STAMPS": self.stamps, "WHERRY_ALSO_ANY": "false"}, ready=ready, **more)

    def completed(self, key=PARTITION):
        return self.fleet.stats(key)["completed"]

    def rate(self, skip, until, most_s, on_tick=None):
        """Finishes a second from `skip` to `until` completed jobs, or for so long at most."""
        wait_for(lambda: self.completed() >= skip, f"{skip} jobs to end")
        begin, first = time.monotonic(), self.completed()
        while True:
            time.sleep(TICK_S)
            if on_tick:
                on_tick()
            now, done = time.monotonic(), self.completed()
            if done >= until or now > begin + most_s:
                return (done - first) / (now - begin)
