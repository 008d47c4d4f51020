#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A worker with free slots, and a handler of it that has no process free: what it claimed for that one.

The type "full" has one process, which holds; "noop" makes room for claims. What waits goes back to Redis
after about a second, so that what happened meanwhile counts, and other workers get it.
"""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "fault"))
from fleet import BUILD, FaultTest, exec_handler, main, wait_for  # noqa: E402

NOOP = "native:" + os.path.join(BUILD, "lib", "wherry", "handlers", "noop.so")
WAITING = 9


class FullHandler(FaultTest):
    def start_full(self, name="w", processes=1):
        handlers = {"full": {"run": exec_handler(), "processes": processes}, "noop": NOOP}
        return self.fleet.start_worker(name, handlers, "--slots", "20")

    def completed(self, job):
        return self.fleet.job(job)["status"] == "completed"

    def wait_completed(self, *jobs):
        for job in jobs:
            wait_for(lambda j=job: self.completed(j), f"{job} to complete")

    def claim_all(self, elsewhere=0):
        """The first one holds the only process; the worker has claimed those behind it."""
        self.wait_completed(self.fleet.enqueue_one("noop"))  # so that it is known to have room
        first = self.fleet.enqueue_one("full", b"hold")
        self.fleet.wait_started([first])
        rest = self.fleet.enqueue(WAITING, "full")
        wait_for(lambda: self.fleet.stats()["in_progress"] == elsewhere + 1 + WAITING, "all to be claimed")
        return first, rest

    def starts(self):
        return [r[1] for r in self.fleet.runs() if r[0] == "start"]

    def reason(self, job):
        facts = self.fleet.fcall("wh1_explain", job)
        return dict(zip(facts[::2], facts[1::2]))[b"reason"]

    def assert_held(self, first, rest, reason):
        """Only the one that runs is claimed; it ends, and none of the others starts."""
        wait_for(lambda: self.fleet.stats()["in_progress"] == 1, "those that wait to go back")
        self.fleet.open_gate()
        self.wait_completed(first, self.fleet.enqueue_one("noop"))
        self.assertEqual(self.starts(), [first])
        for job in rest:
            record = self.fleet.job(job)
            self.assertEqual((record["status"], record["attempts"]), ("pending", "0"))
        self.assertEqual(self.reason(rest[0]), reason)

    def test_a_pause_of_the_type(self):
        self.start_full()
        first, rest = self.claim_all()
        self.fleet.fcall("wh1_limit", "pause:type/full", 1)
        self.assert_held(first, rest, b"type_paused")
        self.fleet.fcall("wh1_limit", "pause:type/full", "")
        self.wait_completed(*rest)

    def test_a_breaker_that_opens(self):
        """No attempts but those that had started."""
        self.fleet.fcall("wh1_limit", "breaker:type/full", "50/2/60000/60000/1")
        self.fleet.fcall("wh1_heartbeat", "hand.1", 60000, "new", "{}")
        self.fleet.enqueue(2, "full")
        tokens = self.fleet.fcall("wh1_cycle", "hand.1", 2, 0)[4][::3]
        self.start_full()
        first, rest = self.claim_all(len(tokens))
        for token in tokens:
            self.fleet.fcall("wh1_cycle", "hand.1", 0, 0, token, "dead", 0, "timeout", "", "", "")
        self.assert_held(first, rest, b"breaker_open")

    def test_another_worker_gets_them(self):
        """While the process of the first one is not free."""
        self.start_full()
        first, rest = self.claim_all()
        other = self.start_full("other", 2)
        self.wait_completed(*rest)
        self.assertFalse(self.completed(first))
        self.assertEqual(other.metric("region_worker_processed_total"), WAITING)
        self.fleet.open_gate()
        self.wait_completed(first)
        self.fleet.check_all()

    def test_nothing_is_used_up_and_groups_keep_their_order(self):
        """They go round some times: no attempt, no recovery, and one of a group after the other."""
        self.fleet.fcall("wh1_limit", "active:group", 1)
        worker = self.start_full()
        self.wait_completed(self.fleet.enqueue_one("noop"))
        first = self.fleet.enqueue_one("full", b"hold")
        self.fleet.wait_started([first])
        ids = [self.fleet.fcall("wh1_enqueue", "full", b"x", "GROUP", group)[0].decode()
               for _ in range(4) for group in ("g1", "g2")]
        wait_for(lambda: self.fleet.stats()["released"] >= 6, "both groups to go round thrice")
        self.fleet.open_gate()
        self.wait_completed(first, *ids)
        for group in (ids[::2], ids[1::2]):
            self.assertEqual([job for job in self.starts() if job in group], group)
        for job in ids:
            record = self.fleet.job(job)
            self.assertEqual((record["attempts"], record.get("recoveries", "0")), ("0", "0"))
        self.assertEqual(worker.metric("wherry_fenced_total"), 0)
        self.assertTrue(worker.events("handler.full"))

    def test_drain_with_some_that_wait(self):
        worker = self.start_full()
        first, rest = self.claim_all()
        wait_for(lambda: self.fleet.stats()["released"] >= WAITING, "those that wait to go back once")
        worker.send(signal.SIGTERM)
        wait_for(lambda: self.fleet.stats()["in_progress"] == 1, "only the one that runs to be left")
        self.fleet.open_gate()
        self.assertEqual(worker.wait(), 0)
        self.assertTrue(self.completed(first))
        self.assertEqual(self.starts(), [first])
        self.start_full("other")
        self.wait_completed(*rest)
        self.fleet.check_all()


if __name__ == "__main__":
    main()
