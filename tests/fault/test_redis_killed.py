#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of Redis (AOF, fsync always) in the middle of 20,000 jobs.

A producer enqueues all the time and repeats, by id, what got no answer. Afterwards no
acknowledged job is lost and none was finished twice; the fleet came back by itself.
"""
import random
import uuid

import aof
from fleet import DEADLINE_S, FaultTest, main, native_handler, wait_for
from producer import Producer
from resp import head

JOBS = 20000


class RedisKilled(FaultTest):
    redis = {"appendfsync": "always"}

    def test_in_the_middle(self):
        workers = [self.fleet.start_worker(n, {"*": native_handler()}, "--lease", "10s",
                                           "--slots", "32") for n in ("a", "b")]
        scheduler = self.fleet.start_scheduler()
        producer = Producer(self.fleet, JOBS, "work", ahead=JOBS // 10)
        kills = sorted(random.sample(range(JOBS // 10, JOBS * 8 // 10), 3))
        for number in kills:
            wait_for(lambda n=number: self.fleet.stats()["completed"] >= n, f"{number} jobs")
            self.fleet.kill9_redis()
            self.fleet.start_redis(load=False)
        producer.finish(2 * DEADLINE_S)
        self.assertTrue(producer.errors(), "Redis was killed without the producer noticing")
        self.assertEqual(len(self.fleet.acked), JOBS)
        self.fleet.wait_drained(2 * DEADLINE_S)
        found = self.fleet.check_all()
        self.assertEqual(len(found), JOBS)
        self.assertEqual({tuple(s) for s in found.values()}, {("completed",)})
        for process in [*workers, scheduler]:
            self.assertTrue(process.is_running())
            wait_for(lambda p=process: self.fleet.is_ready(p), f"{process.name} to be ready")
        for worker in workers:
            self.assertGreaterEqual(worker.metric("wherry_redis_reconnects_total"), 1)

    def test_while_running(self):
        """Jobs that run while Redis dies and comes back finish without running again."""
        worker = self.fleet.start_worker("w", {"*": native_handler()}, "--slots", "4")
        jobs = self.fleet.enqueue(4, "work", b"sleep 3000")
        self.fleet.wait_started(jobs)
        self.fleet.kill9_redis()
        self.fleet.start_redis(load=False)
        self.fleet.wait_drained()
        self.fleet.check_all()
        for job in jobs:
            self.assertEqual([r[0] for r in self.fleet.runs(job)], ["start", "end"])
        self.assertTrue(worker.is_running())

    def test_file_torn_in_a_call(self):
        """A call whose end is not in the file was never made, however often Redis starts."""
        jobs = [uuid.uuid4() for _ in range(50)]
        call = [word for job in jobs for word in (job.bytes, head("work"), b"")]
        self.fleet.sent.update(map(str, jobs))
        self.fleet.fcall("wh1_enqueue_batch", *call)
        self.fleet.kill9_redis()
        aof.tear(self.fleet.folder)
        self.fleet.start_redis(load=False)
        self.assertEqual(self.fleet.unfinished(), 0)
        self.fleet.fcall("wh1_enqueue_batch", *call)  # as a producer repeats it
        self.fleet.acked.update(map(str, jobs))
        self.fleet.kill9_redis()
        self.fleet.start_redis(load=False)
        self.assertEqual(self.fleet.stats()["enqueued"], len(jobs))
        self.assertEqual(self.fleet.fcall("wh1_audit", 1000), [len(jobs)])  # and no problem
        self.fleet.start_worker("w", {"*": native_handler()})
        self.fleet.wait_drained()
        self.fleet.check_all()


if __name__ == "__main__":
    main()
