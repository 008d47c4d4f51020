# SPDX-License-Identifier: Apache-2.0
"""How fast real workers end jobs: a private Redis, a backlog, `wherry-worker` processes.

with Drain() as d: d.enqueue(…); d.start_worker(…); rate = d.rate(…)
Rates are of the finishes that Redis accepted, over the middle of a drain: from the time
on when everything runs to one when there is still work.
"""
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "fault"))
from fleet import BUILD, PARTITION, Fleet, wait_for  # noqa: E402
from resp import head  # noqa: E402

NOOP = "native:" + os.path.join(BUILD, "lib", "wherry", "handlers", "noop.so")
SLEEP = "native:" + os.path.join(BUILD, "lib", "wherry", "bench-plugins", "sleep_handler.so")
CALL = 1000
TICK_S = 0.01


class Drain:
    def __init__(self):
        self.fleet, self.sent, self.stamps = Fleet(appendfsync=None), 0, None
        for path in (NOOP, SLEEP):
            if not os.path.exists(path.partition(":")[2]):
                sys.exit(f"{path} is missing: build first, or name the build in WH_BUILD_DIR")

    def __enter__(self):
        try:
            self.fleet.start_redis()
            self.fleet.configure(keep_count=0)
            self.stamps = os.path.join(self.fleet.folder, "stamps")  # of the sleep handler
            os.mkdir(self.stamps)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            self.fleet.stop()
        except AssertionError:
            if kind is None:  # else what went wrong first tells more
                raise
        finally:
            self.fleet.remove()

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
