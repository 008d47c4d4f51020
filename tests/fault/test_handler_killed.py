#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the child processes of each kind of handler: one attempt of one job.

The worker stays, the other jobs use no attempt, the killed job runs again.
"""
import os
import signal

from fleet import FaultTest, command_handler, exec_handler, main, native_handler, wait_for

KINDS = {
    "native": (native_handler, b"sleep 20"),
    "exec": (exec_handler, b"sleep 20"),
    "command": (command_handler, b"sleep 0"),
}


class HandlerKilled(FaultTest):
    def kill_one_of(self, kind):
        handler, short = KINDS[kind]
        worker = self.fleet.start_worker("w", {"*": handler()}, "--slots", "4")
        victim = self.fleet.enqueue_one("fault", b"hold")
        self.fleet.wait_started([victim])
        others = self.fleet.enqueue(60, "fault", short)
        wait_for(lambda: any(self.fleet.started(o) for o in others), "the others to start")
        os.kill(int(self.fleet.runs(victim)[0][4]), signal.SIGKILL)
        self.fleet.wait_started([victim], 2)
        self.fleet.open_gate()
        self.fleet.wait_drained()
        record = self.fleet.job(victim)
        self.assertEqual(record["status"], "completed")
        self.assertEqual(record["attempts"], "1")
        self.assertEqual(record.get("recoveries", "0"), "0")
        self.assertIn("crash", record["history"])
        for job in others:
            record = self.fleet.job(job)
            self.assertEqual((record["status"], record.get("attempts", "0")), ("completed", "0"))
        self.assertTrue(worker.is_running())
        self.assertEqual(self.fleet.stats()["workers_lost"], 0)
        self.fleet.check_all()

    def test_native(self):
        self.kill_one_of("native")

    def test_exec(self):
        self.kill_one_of("exec")

    def test_command(self):
        self.kill_one_of("command")

    def test_all_children_again_and_again(self):
        """Every child is killed ten times over while 400 jobs run; attempts are plentiful."""
        worker = self.fleet.start_worker(
            "w", {"*": {"run": native_handler(), "retry": "0s", "max_attempts": 1000}},
            "--slots", "4")
        self.fleet.enqueue(400, "fault", b"sleep 10")
        for number in range(10):
            wait_for(lambda n=number: self.fleet.stats()["completed"] >= 20 * n, "progress")
            for pid in worker.children():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.fleet.wait_drained()
        found = self.fleet.check_all()
        self.assertEqual({tuple(s) for s in found.values()}, {("completed",)})


if __name__ == "__main__":
    main()
