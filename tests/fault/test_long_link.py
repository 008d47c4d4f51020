#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A worker behind a link of 80 ms, which breaks while thousands of claims and finishes are
under way: more than a resync can name."""
import os
import signal

from fleet import BUILD, FaultTest, Process, main, wait_for

PROXY = os.path.join(BUILD, "bench", "delay_proxy")
DELAY_US = 40000
NOOP = "native:" + os.path.join(BUILD, "lib", "wherry", "handlers", "noop.so")
JOBS, BREAKS = 80000, 2


class LongLink(FaultTest):
    def start_link(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        link = Process("link", [PROXY, self.path, self.fleet.socket, str(DELAY_US)],
                       self.fleet.folder)
        wait_for(lambda: os.path.exists(self.path), "the link to be there")
        return link

    def setUp(self):
        super().setUp()
        if not os.access(PROXY, os.X_OK):
            self.skipTest("delay_proxy is not built")
        self.path = os.path.join(self.fleet.folder, "far.sock")
        self.link = self.start_link()
        self.fleet.url = f"unix://{self.path}"

    def test_breaks(self):
        self.fleet.start_scheduler()
        self.fleet.enqueue(JOBS, "noop", b"x" * 50, batch=1000)
        worker = self.fleet.start_worker("w", {"*": {"run": NOOP, "processes": 2}},
                                         "--slots", "256")
        held = [0]

        def has_ended(count):
            stats = self.fleet.stats()
            held.append(stats["in_progress"])
            return stats["completed"] >= count

        for number in range(1, BREAKS + 1):
            wait_for(lambda n=number: has_ended(n * JOBS // (BREAKS + 1)), "jobs to end")
            self.link.kill9()
            self.link = self.start_link()
        self.fleet.wait_drained()
        self.fleet.check_all()
        self.assertGreater(max(held), 256, "nothing was claimed ahead")
        print(f"claims at a time: {max(held)} at most")
        self.assertEqual(worker.metric("wherry_leases_lost_total"), 0)
        self.assertEqual(worker.events("worker.held_mismatch"), [])
        worker.send(signal.SIGTERM)
        worker.wait()
        self.link.kill9()


if __name__ == "__main__":
    main()
