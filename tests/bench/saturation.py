# SPDX-License-Identifier: Apache-2.0
"""A worker that never has a free slot: real programs, orgs with a backlog that lasts, and a
window of time in which the handlers' stamps are read.

with Saturation(slots) as s: s.backlog(...); s.start(); s.wherry(...); window = s.window(60)
The window's stamps say who ran when. An org whose backlog did not last is an error: what
was measured then was not a saturated worker.
"""
import collections
import time
import uuid

from programs import Programs
import stamps
from fleet import wait_for
from resp import head

CALL = 1000
SETTLE_S = 1.0  # after a change, before a window: limits are in force everywhere by then

Window = collections.namedtuple("Window", "stamps begin end")


class NotSaturated(Exception):
    """The measurement does not count."""


class Saturation(Programs):
    def __init__(self, slots):
        super().__init__()
        self.slots, self.sent, self.timed = slots, collections.Counter(), []

    # ---- jobs

    def enqueue(self, org, kind, ms, count=1, groups=0, group=None):
        """Jobs of `ms` each; groups: so many, in turn; group: all in that one."""
        payload = str(round(ms * 1000))
        while count > 0:
            args = []
            for _ in range(min(CALL, count)):
                name = f"g{self.sent[org] % groups}" if groups else group
                options = {"g": name} if name else {}
                args += [uuid.uuid4().bytes, head(kind, org, **options), payload]
                self.sent[org] += 1
                count -= 1
            self.fleet.fcall("wh1_enqueue_batch", *args)

    def backlog(self, org, kind, ms, share, seconds, groups=0, group=None):
        """What lasts for so many seconds (and half as long again) at this share of the slots."""
        self.timed.append(org)
        count = share * self.slots * (seconds + 5) * 1000 / ms
        self.enqueue(org, kind, ms, int(count * 1.5) + 100, groups, group)

    # ---- programs

    def start(self):
        """Returns when every slot is taken and every process has run a job."""
        self.fleet.start_scheduler()
        self.start_worker(self.slots)
        wait_for(lambda: stamps.processes(self.stamps) >= self.slots
                 and self.fleet.stats()["in_progress"] >= self.slots, "all slots to be taken")

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
