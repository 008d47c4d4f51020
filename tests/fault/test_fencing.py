#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A worker that slept past its lease changes nothing any more, and goes on as a new one."""
import signal

from fleet import SHORT_LEASE, FaultTest, exec_handler, main, wait_for


class Fencing(FaultTest):
    def test_stopped_past_its_lease(self):
        """Its jobs are held until they run elsewhere, so that none ends before the stop."""
        sleeper = self.fleet.start_worker("sleeper", {"fault": exec_handler()}, *SHORT_LEASE)
        jobs = self.fleet.enqueue(3, "fault", b"hold")
        self.fleet.wait_started(jobs)
        old = self.fleet.job(jobs[0])["worker"]
        sleeper.send(signal.SIGSTOP)
        other = self.fleet.start_worker("other", {"fault": exec_handler()})
        self.fleet.wait_started(jobs, 2)
        self.fleet.open_gate()
        self.fleet.wait_drained()
        for job in jobs:
            self.assertTrue(self.fleet.job(job)["worker"].startswith("other-"))
        before = self.fleet.stats()["completed"]
        sleeper.send(signal.SIGCONT)
        sleeper.wait_event("worker.lease_lost")
        wait_for(lambda: sleeper.metric("wherry_leases_lost_total")
                 + sleeper.metric("wherry_fenced_total") >= len(jobs), "the metric of lost claims")
        self.assertEqual(self.fleet.stats()["completed"], before)
        self.assertEqual(before, len(jobs))
        self.fleet.check_all()

        # It goes on as a new incarnation.
        other.send(signal.SIGTERM)
        self.assertEqual(other.wait(), 0)
        more = self.fleet.enqueue(20, "fault", b"sleep 5")
        self.fleet.wait_drained()
        new = self.fleet.job(more[0])["worker"]
        self.assertTrue(new.startswith("sleeper-"))
        self.assertNotEqual(new, old)
        self.fleet.check_all()

    def test_stopped_with_a_finish_on_its_way(self):
        """Results wait in the pipes of the stopped worker; its job is running elsewhere when
        it wakes: the late finish must not end that run."""
        sleeper = self.fleet.start_worker("sleeper", {"fault": exec_handler()}, *SHORT_LEASE)
        job = self.fleet.enqueue_one("fault", b"hold")
        self.fleet.wait_started([job])
        sleeper.send(signal.SIGSTOP)
        self.fleet.open_gate(fence=self.fleet.runs(job)[-1][3])
        wait_for(lambda: any(r[0] == "end" for r in self.fleet.runs(job)), "the first run's end")
        other = self.fleet.start_worker("other", {"fault": exec_handler()})
        self.fleet.wait_started([job], 2)
        sleeper.send(signal.SIGCONT)
        sleeper.wait_event("worker.lease_lost")
        wait_for(lambda: sleeper.metric("wherry_leases_lost_total")
                 + sleeper.metric("wherry_fenced_total") >= 1, "the metric of the lost claim")
        self.assertEqual(self.fleet.job(job)["status"], "in_progress")
        self.assertEqual(self.fleet.stats()["completed"], 0)
        self.fleet.open_gate()
        self.fleet.wait_drained()
        self.assertTrue(self.fleet.job(job)["worker"].startswith("other-"))
        self.assertTrue(other.is_running())
        self.fleet.check_all()

    def test_claim_taken_while_the_lease_lives(self):
        """An operator ends the incarnation in Redis under a running job (as recover would)."""
        worker = self.fleet.start_worker("w", {"fault": exec_handler()})
        job = self.fleet.enqueue_one("fault", b"hold")
        self.fleet.wait_started([job])
        name = self.fleet.job(job)["worker"]
        self.fleet.fcall("wh1_heartbeat", name, 2000, "bye", "")
        self.fleet.wait_started([job], 2)
        self.fleet.open_gate()
        self.fleet.wait_drained()
        self.assertNotEqual(self.fleet.job(job)["worker"], name)
        self.assertEqual(self.fleet.job(job).get("attempts", "0"), "0")
        self.assertTrue(worker.is_running())
        self.assertEqual(self.fleet.stats()["completed"], 1)
        self.fleet.check_all()


if __name__ == "__main__":
    main()
