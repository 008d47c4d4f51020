#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The machine fails, not Redis and not the handlers: few descriptors, no place for logs."""
import os

from fleet import FaultTest, exec_handler, main, native_handler


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

    def goes_on(self, worker):
        jobs = self.fleet.enqueue(2000, "work")
        self.fleet.wait_drained()
        self.assertEqual(len(self.fleet.check_all()), len(jobs))
        self.assertTrue(worker.is_running())


if __name__ == "__main__":
    main()
