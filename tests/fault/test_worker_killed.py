#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of workers: their jobs run elsewhere, once more each, and no attempt is used.

A job that three workers were lost with is dead as lost_worker.
"""
import random
import signal

from fleet import SHORT_LEASE, FaultTest, exec_handler, main, native_handler, wait_for


class WorkerKilled(FaultTest):
    def start_one_that_runs(self, payload):
        """A worker, soon lost, a job that it runs, and beside it a worker with nothing."""
        victim = self.fleet.start_worker("a", {"fault": exec_handler()}, *SHORT_LEASE)
        job = self.fleet.enqueue_one("fault", payload)
        self.fleet.wait_started([job])
        self.fleet.start_worker("b", {"fault": exec_handler()})
        return victim, job

    def test_mid_run(self):
        victim, job = self.start_one_that_runs(b"hold")
        victim.kill9()
        self.fleet.open_gate()
        wait_for(lambda: self.fleet.job(job)["status"] == "completed", "the other worker")
        record = self.fleet.job(job)
        self.assertEqual(record["recoveries"], "1")
        self.assertEqual(record.get("attempts", "0"), "0")
        self.assertFalse(record["worker"].startswith(victim.name + "-"))
        self.assertEqual([r[3] for r in self.fleet.runs(job) if r[0] == "start"], ["1", "2"])
        self.assertEqual(self.fleet.stats()["workers_lost"], 1)
        self.fleet.check_all()

    def test_after_success_before_finish(self):
        """The handler's result lies in the pipe of a stopped worker, which is then killed."""
        victim, job = self.start_one_that_runs(b"hold")
        victim.send(signal.SIGSTOP)
        self.fleet.open_gate()
        wait_for(lambda: any(r[0] == "end" for r in self.fleet.runs(job)), "the handler's end")
        victim.kill9()
        self.fleet.wait_drained()
        ends = [r[3] for r in self.fleet.runs(job) if r[0] == "end"]
        self.assertEqual(ends, ["1", "2"], "run once more, not twice")
        self.assertEqual(self.fleet.check_all()[job], ["completed"])

    def test_poison(self):
        self.fleet.start_scheduler()
        job = self.fleet.enqueue_one("fault", b"hold")
        for number in range(1, 4):
            worker = self.fleet.start_worker(f"w{number}", {"fault": exec_handler()},
                                             "--slots", "1", *SHORT_LEASE)
            self.fleet.wait_started([job], number)
            worker.kill9()
        wait_for(lambda: self.fleet.job(job)["status"] == "failed", "the job to be dead")
        record = self.fleet.job(job)
        self.assertEqual(record["error_category"], "lost_worker")
        self.assertEqual(record["recoveries"], "3")
        self.assertEqual(record["attempts"], "0")
        self.fleet.check_all()

    def test_under_load(self):
        """Workers die at random moments of 3,000 jobs; each second run has its reason."""
        start = 0

        def spawn():
            nonlocal start
            start += 1
            return self.fleet.start_worker(
                f"w{start}", {"*": native_handler()}, "--slots", "8", "--lease", "5s",
                ready=False)
        self.fleet.start_scheduler()
        workers = [spawn() for _ in range(3)]
        ids = self.fleet.enqueue(3000, "work", lambda n: b"sleep %d" % random.randrange(20))
        for done in (500, 1200, 2000):
            wait_for(lambda n=done: self.fleet.stats()["completed"] >= n, f"{done} jobs")
            workers.pop(random.randrange(len(workers))).kill9()
            workers.append(spawn())
        self.fleet.wait_drained()
        found = self.fleet.check_all()
        starts = {}
        for what, job, *_ in self.fleet.runs():
            starts[job] = starts.get(job, 0) + (what == "start")
        again = [i for i in ids if starts.get(i, 0) != 1]
        self.assertEqual([i for i in ids if starts.get(i, 0) == 0], [])
        self.assertLessEqual(len(again), 3 * 8)
        for job in again:
            self.assertGreaterEqual(int(self.fleet.job(job).get("recoveries", 0)), starts[job] - 1)
        self.assertEqual(sum(s == ["completed"] for s in found.values()), 3000)


if __name__ == "__main__":
    main()
