#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Handlers that crash, hang, leak, talk nonsense or leave daemons behind.

Each costs an attempt of its own job; the worker keeps its pid, its memory and its
other jobs, and nothing that a handler started stays behind.
"""
import os

from fleet import (DEADLINE_S, SANITIZED, FaultTest, command_handler, exec_handler, main,
                   native_handler, wait_for)

TIMEOUT_MS = 1500  # of the bad job only: long enough for it to start on a busy machine
MIB = 1 << 20


def session_of(pid):
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


class HandlerFaults(FaultTest):
    def start(self, handler, **settings):
        self.worker = self.fleet.start_worker(
            "w", {"*": {"run": handler, "max_attempts": 1, **settings}}, "--slots", "4")
        return self.worker

    def dies(self, payload, category, word="", **options):
        """A job of this payload ends dead like this; a good one beside it completes."""
        good = self.fleet.enqueue_one("fault", b"none")
        bad = self.fleet.enqueue_one("fault", payload, **options)
        later = self.fleet.enqueue_one("fault", b"none")
        self.fleet.wait_drained()
        record = self.fleet.job(bad)
        self.assertEqual((record["status"], record.get("error_category")), ("failed", category),
                         record.get("error_message"))
        self.assertIn(word.lower(), record["error_message"].lower())
        for job in (good, later):
            record = self.fleet.job(job)
            self.assertEqual((record["status"], record.get("attempts", "0")), ("completed", "0"))
        self.assertTrue(self.worker.is_running())
        return bad

    def check(self):
        self.assertEqual(self.fleet.stats()["workers_lost"], 0)
        self.fleet.check_all()

    def test_native_crashes(self):
        self.start(native_handler())
        self.dies(b"segv", "crash", "" if SANITIZED else "SIGSEGV")
        self.dies(b"abort", "crash", "SIGABRT")
        self.dies(b"overflow", "crash", "" if SANITIZED else "SIGSEGV")
        self.dies(b"exit 3", "crash", "3")
        self.dies(b"close", "crash")
        self.check()

    def test_exec_crashes(self):
        self.start(exec_handler())
        self.dies(b"crash", "crash", "SIGKILL")
        self.dies(b"exit 0", "crash")
        self.dies(b"exit 3", "crash", "3")
        self.check()

    def test_command_crashes(self):
        self.start(command_handler())
        self.dies(b"crash", "crash", "SIGKILL")
        self.dies(b"exit 65", "invalid")
        self.dies(b"exit 69", "unavailable")
        self.check()

    def test_broken_protocol(self):
        self.start(exec_handler())
        for payload in (b"garbage 5000", b"garbage 1", b"half", b"huge", b"stranger"):
            self.dies(payload, "crash", "")
        self.check()

    def test_two_results(self):
        """The first counts, the second kills the child; no other job may get it."""
        self.start(exec_handler(), retry="0s", max_attempts=50)
        jobs = self.fleet.enqueue(20, "fault", lambda n: b"twice" if n % 4 == 0 else b"none")
        self.fleet.wait_drained()
        for number, job in enumerate(jobs):
            record = self.fleet.job(job)
            self.assertEqual(record["status"], "completed")
            ended = [r for r in self.fleet.runs(job) if r[0] == "end"]
            self.assertGreaterEqual(len(ended), 1, f"job {number} got a result that is not its own")
        self.check()

    def hangs(self, handler, payload):
        self.start(handler, grace="200ms")
        job = self.dies(payload, "timeout", to=TIMEOUT_MS)
        self.assertEqual([r[0] for r in self.fleet.runs(job)], ["start"])
        pid = int(self.fleet.runs(job)[0][4])
        wait_for(lambda: pid not in self.worker.children(), "the hanging child to be gone")
        self.check()

    def test_native_hangs(self):
        self.hangs(native_handler(), b"hang")
        self.assertGreaterEqual(self.worker.metric("wherry_executor_timeouts_total"), 1)

    def test_exec_hangs(self):
        self.hangs(exec_handler(), b"hang")

    def test_command_hangs(self):
        self.hangs(command_handler(), b"hang")

    def test_exec_hangs_with_a_daemon(self):
        self.hangs(exec_handler(), b"orphan")
        self.no_daemons()

    def test_command_hangs_with_a_daemon(self):
        self.hangs(command_handler(), b"orphan")
        self.no_daemons()

    def no_daemons(self):
        """Nobody below the worker leads a session: its children lead groups only."""
        def daemons():
            return [n for p, n in self.worker.children().items() if session_of(p) == p]
        wait_for(lambda: not daemons(), "daemons of the handler to be ended")

    def test_native_daemon_after_success(self):
        """The job completes; what it left behind ends with the worker (see stop)."""
        self.start(native_handler())
        job = self.fleet.enqueue_one("fault", b"daemon")
        self.fleet.wait_drained()
        self.assertEqual(self.fleet.job(job)["status"], "completed")
        self.check()

    def test_closed_channel(self):
        """A child that closes all its fds and sleeps on is noticed without a time-out."""
        self.start(exec_handler(), timeout="1h", grace="200ms")
        self.dies(b"close", "crash")
        self.check()

    def test_crash_loop(self):
        """A handler that never starts: backed off, told, not claimed for; others go on."""
        worker = self.fleet.start_worker(
            "w", {"bad": exec_handler("crash"), "good": exec_handler()}, ready=False)
        bad = self.fleet.enqueue(20, "bad", b"none")
        good = self.fleet.enqueue(20, "good", b"none")
        wait_for(lambda: all(self.fleet.job(j)["status"] == "completed" for j in good),
                 "the good ones")
        wait_for(lambda: worker.http("/readyz")[0] == 503, "readyz to tell")
        self.assertIn("bad", worker.http("/readyz")[1])
        wait_for(lambda: "wherry_executor_healthy" in worker.http("/metrics")[1], "the metric")
        for job in bad:
            self.assertEqual(self.fleet.job(job).get("attempts", "0"), "0")
        self.assertLess(worker.metric("wherry_executor_crashes_total"), 40)
        for job in bad:
            self.fleet.fcall("wh1_cancel", job)
        self.fleet.wait_drained()
        self.fleet.check_all()

    def test_memory_recycled(self):
        """Over the limit between jobs: replaced, no job notices."""
        self.start(exec_handler(), memory_limit="100MiB", processes=1)
        jobs = self.fleet.enqueue(20, "fault", b"leak 10")
        self.fleet.wait_drained(2 * DEADLINE_S)
        for job in jobs:
            record = self.fleet.job(job)
            self.assertEqual((record["status"], record.get("attempts", "0")), ("completed", "0"),
                             record)
        self.assertGreater(len({r[4] for r in self.fleet.runs()}), 1, "replaced at least once")
        self.check()

    def test_memory_killed(self):
        """Over twice the limit within a job: killed."""
        self.start(exec_handler(), memory_limit="60MiB", processes=1)
        self.dies(b"balloon", "crash", "memory")
        self.assertGreaterEqual(self.worker.metric("wherry_executor_memory_kills_total"), 1)
        self.check()

    def test_floods(self):
        """100 MiB on stdout, binary lines on stderr: the worker neither grows nor stalls."""
        worker = self.start(exec_handler())
        self.fleet.enqueue(8, "fault", b"binary")
        self.fleet.wait_drained()
        before = worker.rss()
        job = self.fleet.enqueue_one("fault", b"flood 100")
        others = self.fleet.enqueue(50, "fault", b"sleep 5")
        wait_for(lambda: all(self.fleet.job(j)["status"] == "completed" for j in others),
                 "the others beside the flood")
        self.fleet.wait_drained(2 * DEADLINE_S)
        self.assertEqual(self.fleet.job(job)["status"], "completed")
        if not SANITIZED:
            self.assertLess(worker.rss(), before + 8 * MIB)
        self.assertLess(len(worker.log()), 20 * MIB, "a flood is cut, and the log tells so")
        def is_told():
            self.fleet.enqueue(4, "fault", b"binary")
            self.fleet.wait_drained()
            return "lines left out" in worker.log()
        wait_for(is_told, "the log to tell what was left out")
        self.check()


if __name__ == "__main__":
    main()
