#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The machine fails, not Redis and not the handlers: few descriptors, no place for logs,
signals that mean nothing.
"""
import os
import signal
import socket

from fleet import FaultTest, exec_handler, main, native_handler, wait_for


class Surroundings(FaultTest):
    def test_few_descriptors(self):
        """80 descriptors are too few for 24 children: the work is done with fewer."""
        worker = self.fleet.start_worker(
            "w", {"*": exec_handler()}, "--slots", "24",
            wrap=("sh", "-c", 'ulimit -n 80; exec "$@"', "sh"))
        self.fleet.enqueue(300, "fault", b"sleep 100")
        self.fleet.wait_drained()
        # 24 is EMFILE: met by the worker, or by a child that has not become its program yet
        self.assertRegex(worker.log(), "Too many open files|errno 24")
        found = self.fleet.check_all()
        self.assertEqual({tuple(s) for s in found.values()}, {("completed",)})
        self.assertTrue(worker.is_running())
        with open(f"/proc/{worker.pid}/stat", encoding="ascii") as file:
            ticks = sum(int(n) for n in file.read().rsplit(")", 1)[1].split()[11:13])
        self.assertLess(ticks / os.sysconf("SC_CLK_TCK"), 10, "it spins")

    def test_log_pipe_closed(self):
        """Whoever read the log is gone: the worker goes on (EPIPE, no SIGPIPE)."""
        reader, writer = os.pipe()
        worker = self.fleet.start_worker("w", {"*": native_handler()}, "--log-level", "debug",
                                         ready=False, stderr=writer)
        os.close(writer)
        self.assertTrue(os.read(reader, 1))
        os.close(reader)
        self.goes_on(worker)

    def test_log_disk_full(self):
        full = os.open("/dev/full", os.O_WRONLY)
        worker = self.fleet.start_worker("w", {"*": native_handler()}, "--log-level", "debug",
                                         ready=False, stderr=full)
        os.close(full)
        self.goes_on(worker)

    def test_log_reader_stalls(self):
        """A pipe that nobody empties: lines are lost, not time."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        worker = self.fleet.start_worker("w", {"*": native_handler()}, "--log-level", "debug",
                                         ready=False, stderr=writer)
        os.close(writer)
        self.goes_on(worker)

    def test_signals_that_mean_nothing(self):
        """Not one of them ends or stops a program."""
        scheduler = self.fleet.start_scheduler()
        wait_for(lambda: self.fleet.is_ready(scheduler), "the scheduler to be ready")
        worker = self.fleet.start_worker("w", {"*": native_handler()})
        for number, signo in enumerate((signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP), 1):
            scheduler.send(signo)
            told = scheduler.wait_event("scheduler.signal_ignored", number)
            self.assertEqual(told["signal"], signo)
        worker.send(signal.SIGUSR2)
        self.assertEqual(worker.wait_event("worker.signal_ignored")["signal"], signal.SIGUSR2)
        self.assertEqual(scheduler.http("/readyz")[0], 200)
        self.goes_on(worker)
        scheduler.send(signal.SIGTERM)
        self.assertEqual(scheduler.wait(), 0)

    def test_redis_is_silent(self):
        """Before the first attempt is over, readyz has a reason too."""
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            self.fleet.url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
            worker = self.fleet.start_worker("w", {"*": native_handler()}, ready=False)
            for program in (worker, self.fleet.start_scheduler()):
                status, why = program.http("/readyz")
                self.assertEqual(status, 503)
                self.assertRegex(why, r"^(redis: )?(connecting|Redis did not answer .*)\n")

    def goes_on(self, worker):
        jobs = self.fleet.enqueue(2000, "work")
        self.fleet.wait_drained()
        self.assertEqual(len(self.fleet.check_all()), len(jobs))
        self.assertTrue(worker.is_running())


if __name__ == "__main__":
    main()
