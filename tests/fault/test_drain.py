#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The end of a worker: SIGTERM drains, a second one releases at once, nothing is lost.

Released jobs go back without using an attempt; exit status 0 in all cases.
"""
import signal

from fleet import FaultTest, command_handler, exec_handler, main, native_handler, wait_for

EX_UNAVAILABLE = 69


class Drain(FaultTest):
    def start_jobs(self, worker_options, payload, handler=exec_handler, running=4, waiting=20):
        worker = self.fleet.start_worker("w", {"*": {"run": handler(), "grace": "300ms"}},
                                         "--slots", "4", *worker_options)
        jobs = self.fleet.enqueue(running, "fault", payload)
        self.fleet.wait_started(jobs)
        rest = self.fleet.enqueue(waiting, "fault", b"none")
        return worker, jobs, rest

    def check_released(self, jobs):
        for job in jobs:
            record = self.fleet.job(job)
            self.assertEqual((record["status"], record.get("attempts", "0"),
                              record.get("recoveries", "0")), ("pending", "0", "0"))
        self.assertEqual(self.fleet.stats()["workers"], 0)
        self.assertEqual(len(self.fleet.fcall("wh1_audit", 1000)), 1)

    def finish_elsewhere(self, expected):
        """Jobs of endless payloads stay out of it: they are cancelled."""
        for job in expected:
            self.assertEqual(self.fleet.fcall("wh1_cancel", job), b"cancelled")
        self.fleet.start_worker("next", {"*": native_handler()})
        self.fleet.wait_drained()
        self.fleet.check_all()

    def test_finishes_what_runs(self):
        worker, jobs, rest = self.start_jobs(("--drain-timeout", "1h"), b"hold")
        worker.send(signal.SIGTERM)
        self.wait_unready(worker, "draining")
        self.fleet.open_gate()
        self.assertEqual(worker.wait(), 0)
        for job in jobs:
            self.assertEqual(self.fleet.job(job)["status"], "completed")
            self.assertEqual([r[0] for r in self.fleet.runs(job)], ["start", "end"])
        self.check_released(rest)
        self.finish_elsewhere([])

    @staticmethod
    def wait_unready(worker, why):
        wait_for(lambda: why in worker.http("/readyz")[1], f"readyz to tell: {why}")

    def release_at_the_deadline(self, handler, payload):
        worker, jobs, rest = self.start_jobs(("--drain-timeout", "700ms"), payload, handler)
        worker.send(signal.SIGTERM)
        self.assertEqual(worker.wait(), 0)
        self.check_released(jobs + rest)
        self.assertGreaterEqual(self.fleet.stats()["released"], len(jobs))
        self.finish_elsewhere(jobs)

    def test_releases_exec(self):
        self.release_at_the_deadline(exec_handler, b"hold")

    def test_releases_exec_that_hangs(self):
        self.release_at_the_deadline(exec_handler, b"hang")

    def test_releases_native(self):
        self.release_at_the_deadline(native_handler, b"hold")

    def test_releases_native_that_hangs(self):
        self.release_at_the_deadline(native_handler, b"hang")

    def test_releases_command(self):
        self.release_at_the_deadline(command_handler, b"hold")

    def test_releases_command_that_hangs(self):
        self.release_at_the_deadline(command_handler, b"hang")

    def at_once(self, first, second):
        worker, jobs, rest = self.start_jobs(("--drain-timeout", "1h"), b"hang")
        worker.send(first)
        self.wait_unready(worker, "draining")
        self.assertEqual(worker.http("/livez")[0], 200)
        worker.send(second)
        self.assertEqual(worker.wait(), 0)
        self.check_released(jobs + rest)
        self.finish_elsewhere(jobs)

    def test_second_sigterm(self):
        self.at_once(signal.SIGTERM, signal.SIGTERM)

    def test_sigint_after_sigterm(self):
        self.at_once(signal.SIGTERM, signal.SIGINT)

    def test_sigint_twice(self):
        self.at_once(signal.SIGINT, signal.SIGINT)

    def test_idle(self):
        worker = self.fleet.start_worker("w", {"*": exec_handler()})
        worker.send(signal.SIGTERM)
        self.assertEqual(worker.wait(), 0)
        self.assertEqual(self.fleet.stats()["workers"], 0)

    def test_quiet_and_reload(self):
        """SIGTSTP: no new claims; SIGHUP and SIGUSR1 leave the worker at its work."""
        worker, jobs, rest = self.start_jobs((), b"hold")
        worker.send(signal.SIGHUP)
        worker.wait_event("config.reloaded")
        worker.send(signal.SIGTSTP)
        worker.send(signal.SIGUSR1)
        self.wait_unready(worker, "quiet")
        self.fleet.open_gate()
        for job in jobs:
            wait_for(lambda j=job: self.fleet.job(j)["status"] == "completed", "the running jobs")
        self.assertTrue(worker.is_running())
        self.assertEqual({self.fleet.job(j)["status"] for j in rest}, {"pending"})
        worker.send(signal.SIGTERM)
        self.assertEqual(worker.wait(), 0)
        self.finish_elsewhere([])

    def test_without_redis(self):
        """Redis is gone for good: a drain still ends, and its status tells (EX_UNAVAILABLE)."""
        worker, jobs, _ = self.start_jobs(
            ("--drain-timeout", "1s"), b"hold")
        self.fleet.kill9_redis()
        self.fleet.open_gate()
        worker.send(signal.SIGTERM)
        self.assertEqual(worker.wait(), EX_UNAVAILABLE)
        self.assertTrue(all(self.fleet.runs(j) for j in jobs))


if __name__ == "__main__":
    main()
