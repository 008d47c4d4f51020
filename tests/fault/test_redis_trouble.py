#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Redis that is not there, does not answer, is full, or takes no connection.

Probes: /livez never depends on Redis, /readyz does.
"""
import time

from fleet import Client, FaultTest, RedisError, main, native_handler, wait_for
from producer import Producer


class RedisTrouble(FaultTest):
    redis = {"appendfsync": "everysec"}

    def worker(self, name="w", *options, **more):
        return self.fleet.start_worker(name, {"*": native_handler()}, "--slots", "8", *options,
                                       **more)

    def test_down_at_start(self):
        self.fleet.kill9_redis()
        worker = self.worker(ready=False)
        scheduler = self.fleet.start_scheduler()
        for process in (worker, scheduler):
            self.assertEqual(process.http("/livez")[0], 200)
            self.assertEqual(process.http("/readyz")[0], 503)
            wait_for(lambda p=process: "redis" in p.log().lower().replace("redis.sock", ""),
                     "the log to tell")
            self.assertTrue(process.is_running())
        self.fleet.start_redis(load=False)
        for process in (worker, scheduler):
            wait_for(lambda p=process: self.fleet.is_ready(p), f"{process.name} to be ready")
        self.fleet.enqueue(100, "work")
        self.fleet.wait_drained()
        self.fleet.check_all()

    def test_down_for_a_while(self):
        """5 s without Redis under load: not ready, alive, and back by themselves."""
        worker, scheduler = self.worker(), self.fleet.start_scheduler()
        wait_for(lambda: self.fleet.is_ready(scheduler), "the scheduler to be ready")
        producer = Producer(self.fleet, 4000, "work", b"sleep 1", batch=20, ahead=200)
        wait_for(lambda: self.fleet.stats()["completed"] >= 500, "500 jobs")
        self.fleet.kill9_redis()
        down = time.monotonic()
        for process in (worker, scheduler):
            wait_for(lambda p=process: p.http("/readyz")[0] == 503, "readyz to tell")
        while time.monotonic() < down + 5:
            for process in (worker, scheduler):
                self.assertEqual(process.http("/livez")[0], 200)
                self.assertTrue(process.is_running())
            time.sleep(0.2)
        self.fleet.start_redis(load=False)
        for process in (worker, scheduler):
            wait_for(lambda p=process: self.fleet.is_ready(p), f"{process.name} to be ready")
        producer.finish()
        self.fleet.wait_drained()
        self.fleet.check_all()
        self.assertTrue(producer.errors())
        lines = worker.log().count("\n")
        self.assertLess(lines, 300, "5 s of trouble are no reason for a flood of lines")

    def test_paused_writes(self):
        """CLIENT PAUSE 3000 WRITE under load: requests are late, nothing runs twice."""
        worker = self.worker()
        jobs = self.fleet.enqueue(3000, "work", b"sleep 2")
        wait_for(lambda: self.fleet.stats()["completed"] >= 200, "200 jobs")
        self.fleet.redis("CLIENT", "PAUSE", 3000, "WRITE")
        self.fleet.wait_drained()
        self.fleet.check_all()
        starts = sum(r[0] == "start" for r in self.fleet.runs())
        self.assertEqual(starts, len(jobs))
        self.assertTrue(worker.is_running())

    def test_paused_beyond_the_timeout(self):
        """Requests that get no answer in time: the connection ends, what they did is asked."""
        worker = self.worker("w", "--redis-timeout", "500ms")
        self.fleet.enqueue(3000, "work", b"sleep 2")
        wait_for(lambda: self.fleet.stats()["completed"] >= 200, "200 jobs")
        self.fleet.redis("CLIENT", "PAUSE", 3000, "WRITE")
        self.fleet.wait_drained()
        self.fleet.check_all()
        self.assertEqual(sum(r[0] == "start" for r in self.fleet.runs()), 3000)
        wait_for(lambda: worker.metric("wherry_redis_reconnects_total") >= 1, "a new connection")

    def test_connections_killed(self):
        """CLIENT KILL of all the fleet's connections, 20 times."""
        self.worker("a")
        self.worker("b")
        self.fleet.start_scheduler()
        jobs = self.fleet.enqueue(3000, "work", b"sleep 2")
        for number in range(20):
            wait_for(lambda n=number: self.fleet.stats()["completed"] >= 100 * n, "progress")
            self.fleet.redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.fleet.wait_drained()
        self.fleet.check_all()
        self.assertEqual(sum(r[0] == "start" for r in self.fleet.runs()), len(jobs))


class RedisFull(FaultTest):
    redis = {"redis_options": ["--maxclients", "12"]}

    def test_no_more_connections(self):
        """maxclients is reached at the start of one worker and in the run of another."""
        first = self.fleet.start_worker("first", {"*": native_handler()})
        hogs = self.take_all()
        second = self.fleet.start_worker("second", {"*": native_handler()}, ready=False)
        wait_for(lambda: "clients" in second.log(), "the second one to tell why")
        jobs = self.fleet.enqueue(200, "work")
        self.fleet.wait_drained()  # the first one's connections are not concerned
        self.assertEqual(second.http("/readyz")[0], 503)
        self.assertEqual(second.http("/livez")[0], 200)
        for hog in hogs:
            hog.close()
        wait_for(lambda: self.fleet.is_ready(second), "the second worker to be ready")
        self.assertTrue(first.is_running())
        self.assertEqual(len(self.fleet.check_all()), len(jobs))

    def take_all(self):
        hogs = []
        while True:
            hogs.append(Client(self.fleet.socket))
            self.addCleanup(hogs[-1].close)
            try:
                hogs[-1]("PING")
            except (OSError, RedisError):
                return hogs

    def test_out_of_memory(self):
        """Enqueue is refused with OOM and leaves nothing half-written; the fleet drains all."""
        used = int([line.split(b":")[1] for line in self.fleet.redis("INFO", "memory").split()
                    if line.startswith(b"used_memory:")][0])
        self.fleet.redis("CONFIG", "SET", "maxmemory", used + 12 * 1024 * 1024)
        accepted = 0
        with self.assertRaises(RedisError) as refused:
            for _ in range(1000):
                self.fleet.enqueue(100, "work", b"x" * 1000, batch=100)
                accepted += 100
        self.assertEqual(refused.exception.word, "OOM")
        self.assertEqual(self.fleet.stats()["pending"], accepted)
        self.fleet.sent = set(self.fleet.acked)  # what was refused is not there
        self.fleet.redis("CONFIG", "SET", "maxmemory", used)  # now really over the limit
        worker = self.fleet.start_worker("w", {"*": native_handler()}, "--slots", "8", ready=False)
        scheduler = self.fleet.start_scheduler()
        self.fleet.wait_drained()
        found = self.fleet.check_all()
        self.assertEqual(len(found), accepted)
        for process in (worker, scheduler):
            self.assertTrue(process.is_running())
        self.fleet.redis("CONFIG", "SET", "maxmemory", 0)
        self.fleet.enqueue(10, "work")
        self.fleet.wait_drained()


if __name__ == "__main__":
    main()
