#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Schedulers: two at once, stopped and continued, killed in the middle, or none at all."""
import signal

from fleet import DEADLINE_S, PARTITION, SHORT_LEASE, FaultTest, main, native_handler, wait_for

DELAYED = 20000


class SchedulerFaults(FaultTest):
    def completed(self, count):
        wait_for(lambda: self.fleet.stats()["completed"] >= count, f"{count} jobs")

    def is_alone(self):
        """No connection but ours: whatever the lost ones sent is done."""
        return len(self.fleet.redis("CLIENT", "LIST").splitlines()) == 1

    def test_two_of_them(self):
        """One is stopped for a while and wakes up with old ideas; each job runs once."""
        first, second = self.fleet.start_scheduler("one"), self.fleet.start_scheduler("two")
        self.fleet.start_worker("w", {"*": native_handler()}, "--slots", "32")
        for round_no in range(1, 4):
            self.fleet.enqueue(1000, "work", dl=200)
            first.send(signal.SIGSTOP)
            self.completed(1000 * round_no)
            self.fleet.enqueue(500, "work", dl=100)
            first.send(signal.SIGCONT)
            self.fleet.wait_drained()
            first, second = second, first
            self.fleet.acked, self.fleet.sent = set(self.fleet.acked), set(self.fleet.sent)
            self.assertEqual(self.fleet.stats()["completed"], 1500 * round_no)
        self.assertEqual(sum(r[0] == "start" for r in self.fleet.runs()), 4500)
        self.fleet.check_all()

    def test_all_its_partitions_are_registered(self):
        """More than one call takes, while Redis refuses the first ones."""
        names = [f"eu:q{i}" for i in range(1, 1201)]
        self.fleet.redis("CONFIG", "SET", "min-replicas-to-write", "1")
        scheduler = self.fleet.start_scheduler("one", "--partitions", ",".join(names))
        scheduler.wait_event("scheduler.register_failed")
        self.fleet.redis("CONFIG", "SET", "min-replicas-to-write", "0")
        wanted = {f"wh:{{{name}}}".encode() for name in [*names, "eu:default"]}
        wait_for(lambda: set(self.fleet.redis("FCALL_RO", "wh1_partitions", 1, "wh:{registry}"))
                 >= wanted, "all partitions")

    def test_killed_while_promoting(self):
        """kill -9 in the middle of promoting 20,000 jobs that are due at once."""
        self.fleet.enqueue(DELAYED, "work", dl=1500, batch=1000)
        schedulers = [self.fleet.start_scheduler("one", "--batch", "50")]
        for number in (1, 2):
            wait_for(lambda n=number: self.fleet.stats()["promoted"] >= 2000 * n, "promotions")
            schedulers.pop().kill9()
            self.assertEqual(len(self.fleet.fcall("wh1_audit", 100000)), 1)
            schedulers.append(self.fleet.start_scheduler(f"next{number}", "--batch", "50"))
        self.fleet.start_worker("w", {"*": native_handler()}, "--slots", "32")
        self.fleet.wait_drained(2 * DEADLINE_S)
        found = self.fleet.check_all()
        self.assertEqual(len(found), DELAYED)
        self.assertEqual(self.fleet.stats()["promoted"], DELAYED)

    def test_jobs_expire_in_time(self):
        """Where there were none with a deadline it looks seldom: the first one calls it."""
        def looks():
            return sum(line.startswith('wherry_scheduler_chores_total{chore="expire",outcome="ok"')
                       and not line.endswith(" 0")
                       for line in scheduler.http("/metrics")[1].splitlines())
        scheduler = self.fleet.start_scheduler("one", "--promote-interval", "60s")
        for _ in range(2):
            wait_for(looks, "a look")
            job = self.fleet.enqueue_one("work", xp=200)
            wait_for(lambda j=job: self.fleet.job(j)["status"] == "expired", "it to expire",
                     DEADLINE_S / 2)  # less than the interval
        self.fleet.check_all()

    def test_a_new_partition_is_seen_at_once(self):
        """It looks at the list seldom: a registration calls it, and then what is there does."""
        scheduler = self.fleet.start("wherry-scheduler", "one", "--discover-interval", "1h",
                                     "--promote-interval", "60s")
        for i in range(1, 4):
            key = f"wh:{{eu:new{i}}}"
            self.fleet.redis("FCALL", "wh1_register", 1, "wh:{registry}", key)
            self.assertEqual(scheduler.wait_event("scheduler.partition", i, DEADLINE_S / 2)
                             ["partition"], key)
        self.fleet.redis("FCALL", "wh1_register", 1, "wh:{registry}", PARTITION)
        scheduler.wait_event("scheduler.partition", 4, DEADLINE_S / 2)
        job = self.fleet.enqueue_one("work", dl=1)
        wait_for(lambda: self.fleet.job(job)["status"] == "pending", "it to be promoted",
                 DEADLINE_S / 2)

    def test_more_partitions_than_it_can_hear(self):
        names = ",".join(f"eu:q{i}" for i in range(1, 1201))
        scheduler = self.fleet.start("wherry-scheduler", "one", "--discover-interval", "1h",
                                     "--partitions", names)
        for i in range(1, 3):
            key = f"wh:{{eu:new{i}}}"
            self.fleet.redis("FCALL", "wh1_register", 1, "wh:{registry}", key)
            self.assertEqual(scheduler.wait_event("scheduler.partition", 1200 + i, DEADLINE_S / 2)
                             ["partition"], key)

    def test_none(self):
        """No scheduler: workers promote due jobs and recover those of lost workers."""
        doomed = self.fleet.start_worker("doomed", {"*": native_handler()}, "--slots", "4",
                                         *SHORT_LEASE)
        stuck = self.fleet.enqueue(4, "work", b"hold")
        self.fleet.wait_started(stuck)
        doomed.kill9()
        self.fleet.open_gate()
        self.fleet.enqueue(200, "work", dl=1000)
        self.fleet.start_worker("w", {"*": native_handler()}, "--slots", "8")
        self.fleet.wait_drained()
        self.fleet.check_all()
        for job in stuck:
            self.assertEqual(self.fleet.job(job)["recoveries"], "1")

    def test_killed_while_recovering(self):
        """Many claims of a lost worker, small batches, schedulers that die meanwhile."""
        doomed = self.fleet.start_worker("doomed", {"*": native_handler()}, "--slots", "200",
                                         *SHORT_LEASE)
        self.fleet.enqueue(200, "work", b"hold")
        wait_for(lambda: self.fleet.stats()["in_progress"] > 50, "claims")
        doomed.kill9()
        wait_for(self.is_alone, "Redis to have seen the end of its connections")
        held = self.fleet.stats()["in_progress"]
        for number in range(1, 6):
            scheduler = self.fleet.start_scheduler(f"s{number}", "--batch", "5")
            wait_for(lambda n=number: self.fleet.stats()["recovered"] >= min(held, 8 * n),
                     "recoveries")
            scheduler.kill9()
            self.assertEqual(len(self.fleet.fcall("wh1_audit", 100000)), 1)
        self.fleet.start_scheduler("last")
        wait_for(lambda: self.fleet.stats()["in_progress"] == 0, "all to be recovered")
        self.assertEqual(self.fleet.stats()["recovered"], held)
        for job in self.fleet.acked:
            self.fleet.fcall("wh1_cancel", job)
        self.fleet.wait_drained()
        self.fleet.check_all()


if __name__ == "__main__":
    main()
