#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The function library, or all data, vanish from Redis under load."""
import signal

from fleet import FaultTest, RedisError, main, native_handler, wait_for
from producer import Producer


class LibraryLost(FaultTest):
    def test_flush_and_delete(self):
        """FUNCTION FLUSH and FUNCTION DELETE, six times under load: loaded again, all runs."""
        workers = [self.fleet.start_worker(n, {"*": native_handler()}) for n in ("a", "b")]
        scheduler = self.fleet.start_scheduler()
        producer = Producer(self.fleet, 6000, "work", b"sleep 1", batch=50)
        for number in range(6):
            wait_for(lambda n=number: self.completed() >= 800 * n, "progress")
            try:
                if number % 2:
                    self.fleet.redis("FUNCTION", "DELETE", "wherry_1")
                else:
                    self.fleet.redis("FUNCTION", "FLUSH", "SYNC")
            except RedisError as error:  # deleted already
                self.assertIn("not found", str(error))
            wait_for(self.completed, "somebody to load the library again")
        producer.finish()
        self.fleet.wait_drained()
        found = self.fleet.check_all()
        self.assertEqual({tuple(s) for s in found.values()}, {("completed",)})
        starts = sum(r[0] == "start" for r in self.fleet.runs())
        self.assertEqual(starts, 6000, "no lease was lost over it")
        for process in [*workers, scheduler]:
            self.assertTrue(process.is_running())

    def completed(self):
        try:
            return self.fleet.stats()["completed"] + 1
        except RedisError as error:
            self.assertIn("not found", str(error))
            return 0

    def test_idle_fleet(self):
        """Nobody calls when the library goes; the next job still runs."""
        self.fleet.start_worker("w", {"*": native_handler()})
        self.fleet.enqueue(1, "work")
        self.fleet.wait_drained()
        self.fleet.redis("FUNCTION", "FLUSH", "SYNC")
        wait_for(self.completed, "a heartbeat to bring it back")
        self.fleet.enqueue(10, "work")
        self.fleet.wait_drained()
        self.fleet.check_all()


class DataLost(FaultTest):
    def test_flushall(self):
        """FLUSHALL under load: nothing crashes, it is told, and new jobs run."""
        workers = [self.fleet.start_worker(n, {"*": native_handler()}) for n in ("a", "b")]
        scheduler = self.fleet.start_scheduler("scheduler", "--gauges-interval", "100ms")
        old = self.fleet.enqueue(4000, "work", b"sleep 20")
        wait_for(lambda: self.fleet.stats()["completed"] >= 300, "300 jobs")
        wait_for(lambda: scheduler.metric("wherry_jobs_total") >= len(old),
                 "the scheduler to have seen what will be lost")
        self.fleet.redis("FLUSHALL")
        self.fleet.keep_all()
        self.assertLessEqual(len(self.fleet.acked), len(old))
        self.fleet.sent.clear()
        self.fleet.acked.clear()
        scheduler.wait_event("scheduler.data_loss_suspected")
        new = self.fleet.enqueue(500, "work", b"sleep 1")
        self.fleet.wait_drained()
        found = self.fleet.check_all()
        self.assertEqual(set(found), set(new))
        for process in [*workers, scheduler]:
            self.assertTrue(process.is_running())
            self.assertGreaterEqual(scheduler.metric("wherry_data_loss_suspected_total"), 1)
        wait_for(lambda: self.fleet.stats()["workers"] == 2, "both workers to be there again")
        workers[0].send(signal.SIGTERM)
        self.assertEqual(workers[0].wait(), 0)


if __name__ == "__main__":
    main()
