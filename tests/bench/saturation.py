# SPDX-License-Identifier: Apache-2.0
"""A worker that never has a free slot: Redis, scheduler and worker as real processes, orgs
with a backlog that lasts, and a window of time in which the handlers' stamps are read.

with Saturation(slots) as s: s.backlog(...); s.start(); s.wherry(...); window = s.window(60)
The window's stamps say who ran when. An org whose backlog did not last is an error: what
was measured then was not a saturated worker.
"""
import collections
import os
import subprocess
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "fault"))
from fleet import BIN, BUILD, PARTITION, Fleet, wait_for  # noqa: E402
from resp import head, table  # noqa: E402
import stamps  # noqa: E402

QUEUE = PARTITION.removeprefix("wh:{").removesuffix("}")
HANDLER = os.path.join(BUILD, "lib", "wherry", "bench-plugins", "sleep_handler.so")
CALL = 1000
SETTLE_S = 1.0  # after a change, before a window: limits are in force everywhere by then

Window = collections.namedtuple("Window", "stamps begin end")


class NotSaturated(Exception):
    """The measurement does not count."""


class Saturation:
    def __init__(self, slots):
        self.slots, self.sent, self.timed = slots, collections.Counter(), []
        if not os.path.exists(HANDLER):
            sys.exit(f"{HANDLER} is missing: build first, or name the build in WH_BUILD_DIR")
        self.fleet = Fleet(appendfsync=None)
        self.stamps = os.path.join(self.fleet.folder, "stamps")
        os.mkdir(self.stamps)

    def __enter__(self):
        try:
            self.fleet.start_redis()
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

    # ---- jobs

    def enqueue(self, org, kind, ms, count=1, groups=0):
        """Jobs of `ms` each; groups: so many, in turn."""
        payload = str(round(ms * 1000))
        while count > 0:
            args = []
            for _ in range(min(CALL, count)):
                options = {"g": f"g{self.sent[org] % groups}"} if groups else {}
                args += [uuid.uuid4().bytes, head(kind, org, **options), payload]
                self.sent[org] += 1
                count -= 1
            self.fleet.fcall("wh1_enqueue_batch", *args)

    def backlog(self, org, kind, ms, share, seconds, groups=0):
        """What lasts for so many seconds (and half as long again) at this share of the slots."""
        self.timed.append(org)
        count = share * self.slots * (seconds + 5) * 1000 / ms
        self.enqueue(org, kind, ms, int(count * 1.5) + 100, groups)

    # ---- programs

    def start(self):
        """Returns when every slot is taken and every process has run a job."""
        self.fleet.start_scheduler()
        self.fleet.start_worker("worker", {"*": "native:" + HANDLER},
                                "--slots", str(self.slots), "--log-level", "warn",
                                env={"BENCH_STAMPS": self.stamps, "WHERRY_ALSO_ANY": "false"},
                                ready=False)
        wait_for(lambda: stamps.processes(self.stamps) >= self.slots
                 and self.fleet.stats()["in_progress"] >= self.slots, "all slots to be taken")

    def wherry(self, *words):
        """The command line, as an operator uses it at run time."""
        subprocess.run([os.path.join(BIN, "wherry"), *words, "--redis", self.fleet.url, "--quiet"],
                       check=True, stdout=subprocess.DEVNULL, timeout=60)

    # ---- figures

    def window(self, seconds, meanwhile=None):
        """Lets so many seconds pass; meanwhile(left) is called now and then. Then nothing is
        claimed any more, and all that ran in the window has ended."""
        time.sleep(SETTLE_S)
        begin = time.monotonic()
        end = begin + seconds
        while time.monotonic() < end:
            if meanwhile:
                meanwhile(end - time.monotonic())
            time.sleep(max(0.0, min(0.05, end - time.monotonic())))
        self.fleet.fcall("wh1_pause")
        wait_for(lambda: self.fleet.stats()["in_progress"] == 0, "the last handlers to end")
        found = stamps.load(self.stamps)
        started = collections.Counter(s.org for s in found)
        short = [o for o in self.timed if started[o] + self.slots >= self.sent[o]]
        if short:
            raise NotSaturated(f"the backlog of {', '.join(short)} did not last")
        return Window(found, begin, end)

    def claims(self):
        """Stamps of all completed jobs from claim to finish, by Redis' clock (whole ms) put on
        ours. Needs keep_claims() before the start."""
        ahead = time.time() - time.monotonic()  # Redis runs on this machine's clock
        found, cursor = [], b"-"
        while cursor:
            cursor, *records = self.fleet.fcall("wh1_jobs", "completed", cursor, 1000)
            for record in map(table, records):
                found.append(stamps.Stamp(
                    int(record["started_at_ms"]) / 1000 - ahead,
                    int(record["finished_at_ms"]) / 1000 - ahead,
                    *(record[name].decode() for name in ("org", "type", "id"))))
        return sorted(found)

    def keep_claims(self):
        self.fleet.configure(keep_count=1000000)
