#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""200,000 jobs through a worker and a scheduler: memory, fds, keys as after the first 20,000."""
from fleet import DEADLINE_S, SANITIZED, FaultTest, main, native_handler, wait_for

MIB = 1 << 20
ROUND = 20000
ROUNDS = 3 if SANITIZED else 10
CHILDREN = 4


class Leaks(FaultTest):
    def run_round(self, key_count):
        before = self.fleet.stats()["completed"]
        self.fleet.enqueue(ROUND, "noop", b"x" * 50, batch=1000)
        wait_for(lambda: self.fleet.stats()["completed"] >= before + ROUND, "a round",
                 2 * DEADLINE_S)
        wait_for(lambda: key_count is None or self.fleet.redis("DBSIZE") <= key_count,
                 "the same keys")
        self.fleet.sent.clear()
        self.fleet.acked.clear()

    def start_all_children(self):
        """Each costs descriptors, and how many a machine needs depends on what else it does."""
        self.fleet.wait_started(self.fleet.enqueue(CHILDREN, "fault", b"hold"))
        self.fleet.open_gate()
        self.fleet.wait_drained()

    def test_steady(self):
        self.fleet.configure(keep_count=100)
        worker = self.fleet.start_worker(
            "w", {"*": {"run": native_handler(), "processes": CHILDREN}}, "--slots", "64")
        scheduler = self.fleet.start_scheduler("scheduler", "--trim-interval", "100ms")
        programs = (worker, scheduler)
        self.start_all_children()
        self.run_round(None)
        figures = [[p.rss() for p in programs]]
        fds = [p.fds() for p in programs]
        keys = self.fleet.redis("DBSIZE")
        for _ in range(ROUNDS - 1):
            self.run_round(keys + 2)
            figures.append([p.rss() for p in programs])
        print("RSS in KiB:", [[n // 1024 for n in f] for f in figures])
        for number, program in enumerate(programs):
            if not SANITIZED:
                self.assertLess(figures[-1][number], figures[0][number] + 2 * MIB, program.name)
            self.assertLessEqual(program.fds(), fds[number] + 1, program.name)
        self.assertLessEqual(len(worker.children()), CHILDREN)
        self.assertEqual(self.fleet.stats()["completed"], ROUND * ROUNDS + CHILDREN)
        self.assertEqual(len(self.fleet.fcall("wh1_audit", 100000)), 1)


if __name__ == "__main__":
    main()
