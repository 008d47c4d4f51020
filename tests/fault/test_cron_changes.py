#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A change of a schedule loses no fire time that was due before it, and under more than a
scheduler can fire each schedule gets its turn."""
import os
import re
import subprocess
from datetime import datetime

from fleet import BIN, DEADLINE_S, main, wait_for
from test_cron_schedulers import HOUR, MINUTE, DeclaringTest, fire_time, utc

START = utc("2026-06-01 00:00")


class Deployed(DeclaringTest):
    """A declared schedule that is due at 03:00, and nobody is there until 03:05."""

    def missed(self, **more):
        self.use_test_clock(START)
        path = self.write({"a": self.item(**more)})
        scheduler = self.start_scheduler("one", "-c", path)
        wait_for(lambda: self.names() and self.next_of("a") == START + 3 * HOUR, "it")
        scheduler.kill9()
        self.clock(START + 3 * HOUR + 5 * MINUTE)

    def deploy(self, expression="0 3 * * *", **more):
        return self.start_scheduler("two", "-c", self.write({"a": self.item(expression, **more)}))

    def jobs(self):
        reply = self.fleet.fcall("wh1_jobs", "pending", "", 1000)
        rows = [dict(zip(r[::2], r[1::2])) for r in reply[1:]]
        ids = [r[b"id"].decode() for r in rows]
        return [((fire_time(i) - START) // MINUTE, self.fleet.job(i).get("payload", ""))
                for i in ids]

    def test_another_payload(self):
        """It is still due, and the new one's job is what runs."""
        self.missed(payload="old")
        self.deploy(payload="new")
        wait_for(lambda: self.next_of("a") == START + 27 * HOUR, "the next fire time")
        self.assertEqual(self.jobs(), [(180, "new")])

    def test_other_times(self):
        self.missed(payload="old")
        scheduler = self.deploy("0 4 * * *", payload="new")
        wait_for(lambda: self.next_of("a") == START + 4 * HOUR, "the next fire time")
        self.assertEqual(self.jobs(), [(180, "old")])
        self.assertEqual(scheduler.wait_event("cron.fired")["fire_time_ms"], START + 3 * HOUR)
        self.assertEqual(self.fired(), 1)

    def test_what_it_said_of_misfires_holds(self):
        for misfire, times in (("skip", []), ("all", [120, 150, 180])):
            self.fleet.redis("FLUSHDB")
            self.use_test_clock(START)
            path = self.write({"a": self.item("*/30 * * * *", misfire=misfire)})
            one = self.start_scheduler(f"one-{misfire}", "-c", path)
            wait_for(lambda: self.names() and self.next_of("a"), "it")
            one.kill9()
            self.fleet.fcall("wh1_cron_resume", "a", START + 2 * HOUR)
            self.clock(START + 3 * HOUR + 5 * MINUTE)
            two = self.deploy("@yearly", misfire="once")
            wait_for(lambda: self.definition("a")["expression"] == "@yearly", "the change")
            self.assertEqual([t for t, _ in sorted(self.jobs())], times)
            two.kill9()

    def test_a_pause(self):
        self.missed()
        self.deploy("0 4 * * *", paused=True)
        wait_for(lambda: self.next_of("a") is None, "the pause")
        self.assertEqual((self.fired(), self.jobs()), (0, []))

    def test_one_that_never_could(self):
        """Redis refuses its jobs: that does not keep it as it is for ever."""
        self.missed(payload="x" * 100)
        self.fleet.configure(payload_max=50)
        scheduler = self.deploy("0 4 * * *")
        wait_for(lambda: self.next_of("a") == START + 4 * HOUR, "the change")
        self.assertEqual(scheduler.wait_event("cron.missed")["fire_time_ms"], START + 3 * HOUR)
        self.assertEqual(self.jobs(), [])

    def test_a_reload(self):
        """A scheduler that runs has fired it already: nothing is fired twice."""
        self.use_test_clock(START)
        scheduler = self.start_scheduler("one", "-c", self.write({"a": self.item()}))
        wait_for(lambda: self.names() and self.next_of("a"), "it")
        self.clock(START + 3 * HOUR)
        wait_for(lambda: self.fired() == 1, "it to fire")
        self.write({"a": self.item("0 4 * * *")})
        self.reload(scheduler)
        wait_for(lambda: self.next_of("a") == START + 4 * HOUR, "the change")
        self.assertEqual((self.fired(), self.jobs()), (1, [(180, "")]))

    def test_by_hand(self):
        self.use_test_clock(START)
        for name in ("same", "other"):
            self.set(name, "0 3 * * *", START + 3 * HOUR, payload="old")
        self.clock(START + 3 * HOUR + 5 * MINUTE)
        for name, expression in (("same", "0 3 * * *"), ("other", "0 4 * * *")):
            done = subprocess.run(
                [os.path.join(BIN, "wherry"), "cron", "set", name, expression, f"t.{name}", "new",
                 "--region", "eu"], env={**os.environ, "REDIS_URL": self.fleet.url}, check=True,
                capture_output=True, text=True)
            self.assertEqual("was due at 2026-06-01T03:00" in done.stderr, name == "other")
        self.assertEqual(self.jobs(), [(180, "old")])
        self.assertEqual(self.next_of("same"), START + 3 * HOUR)
        self.assertEqual(self.next_of("other"), START + 4 * HOUR)
        self.start_scheduler("one")
        wait_for(lambda: self.next_of("same") == START + 27 * HOUR, "the other one")
        self.assertEqual(sorted(self.jobs()), [(180, "new"), (180, "old")])


class Turns(DeclaringTest):
    def test_the_earliest_first(self):
        """Whatever its name, and however many are due behind it."""
        self.use_test_clock(START)
        for i in range(1500):
            self.set(f"s{i:04}", "@yearly", START - 1000)
        self.set("zz", "@yearly", START - 2000)
        self.start_scheduler("one")
        wait_for(lambda: self.fired() == 1501, "all to fire")
        first = self.fleet.fcall("wh1_jobs", "pending", "", 1)
        row = dict(zip(first[1][::2], first[1][1::2]))
        self.assertEqual(row[b"type"], b"t.zz")

    def test_one_that_is_refused_keeps_no_other(self):
        """It is in the middle of a call that fires others."""
        self.use_test_clock(START)
        for i in range(150):
            self.set(f"s{i:03}", "@daily", START, payload="x" * (500 if i == 40 else 5))
        self.fleet.configure(payload_max=100)
        scheduler = self.start_scheduler("one")
        wait_for(lambda: self.fired() == 149, "the others to fire")
        told = scheduler.wait_event("cron.fire_failed")
        self.assertEqual(told["schedule"], "s040")
        self.assertEqual(self.next_of("s040"), START)

    def refused(self):
        found = re.search(rb"errorstat_WHTOOBIG:count=(\d+)", self.fleet.redis("INFO", "errorstats"))
        return int(found[1]) if found else 0

    def test_refusals_are_not_told_at_each_try(self):
        """So that one that begins is seen beside those that go on."""
        self.use_test_clock(START)
        for name, due in (("a", START), ("b", START), ("late", START + MINUTE)):
            self.set(name, "@daily", due, payload="x" * 500)
        self.fleet.configure(payload_max=100)
        scheduler = self.start_scheduler("one")
        wait_for(lambda: self.refused() >= 9, "tries")
        self.assertEqual({e["schedule"] for e in scheduler.events("cron.fire_failed")}, {"a", "b"})
        self.clock(START + MINUTE)
        wait_for(lambda: any(e["schedule"] == "late" for e in scheduler.events("cron.fire_failed")),
                 "the one that begins", DEADLINE_S / 2)
        told = {}
        for event in scheduler.events("cron.fire_failed"):
            at = datetime.fromisoformat(event["ts"].replace("Z", "+00:00"))
            if event["schedule"] in told:
                self.assertGreater((at - told[event["schedule"]]).total_seconds(), 59)
            told[event["schedule"]] = at
        self.fleet.configure(payload_max=1000)
        wait_for(lambda: self.fired() == 3, "all to fire")
        self.assertEqual({e["schedule"] for e in scheduler.events("cron.fired")},
                         {"a", "b", "late"})


if __name__ == "__main__":
    main()
