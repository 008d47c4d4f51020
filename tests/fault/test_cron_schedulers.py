#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Schedules: fired once whatever the number of schedulers and their deaths, misfires after a
downtime, changes of clocks, the declared set, the default cap.

The tests that need a certain time load the library's test build, whose clock they set."""
import json
import os
import random
import re
import signal
import time
import unittest
import uuid
from datetime import datetime, timezone

from fleet import BUILD, PARTITION, FaultTest, main, wait_for

HAS_ZONES = os.path.exists("/usr/share/zoneinfo/Europe/Berlin")
FIRES = 15
MINUTE, HOUR = 60000, 3600000


def utc(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp() * 1000)


def fire_time(job_id):
    """The fire time is in the first 48 bits of the job's id."""
    return uuid.UUID(job_id).int >> 80


class CronTest(FaultTest):
    def start_scheduler(self, name, *options):
        return self.fleet.start_scheduler(name, "--cron-interval", "100ms", *options)

    def set(self, name, expression, next_ms, key=PARTITION, **more):
        definition = {"expression": expression, "type": f"t.{name}", **more}
        self.fleet.fcall("wh1_cron_set", name, json.dumps(definition), next_ms, key=key)

    def next_of(self, name, key=PARTITION):
        score = self.fleet.redis("ZSCORE", key + ":cronat", name)
        return None if score is None else int(float(score))

    def names(self, key=PARTITION):
        return {n.decode() for n in self.fleet.redis("HKEYS", key + ":cron")}

    def definition(self, name, key=PARTITION):
        return json.loads(self.fleet.redis("HGET", key + ":cron", name))

    def ids(self, name):
        """Ids of the schedule's jobs, by fire time."""
        found, cursor = [], ""
        while True:
            reply = self.fleet.fcall("wh1_jobs", "pending", cursor, 1000, "TYPE", f"t.{name}")
            for record in reply[1:]:
                row = dict(zip(record[::2], record[1::2]))
                found.append(row[b"id"].decode())
            cursor = reply[0]
            if not cursor:
                return sorted(found)

    def fired(self):
        return self.fleet.stats()["cron_fired"]

    def use_test_clock(self, now):
        with open(os.path.join(BUILD, "generated", "wherry_1_test.lua"), "rb") as file:
            self.fleet.redis("FUNCTION", "LOAD", "REPLACE", file.read())
        self.clock(now)

    def clock(self, now):
        self.fleet.redis("FCALL", "wh1_test_clock", 0, now)


class Kills(CronTest):
    def test_once_with_three_that_are_killed(self):
        """Every second has its one job, though a scheduler dies around most of them."""
        now = int(time.time() * 1000)
        self.set("each", "* * * * * *", now // 1000 * 1000 + 1000, misfire="all",
                 misfire_max=100)
        self.set("once", "* * * * * *", now // 1000 * 1000 + 1000)
        schedulers = [self.start_scheduler(f"s{i}") for i in range(3)]
        done = 0
        while done < FIRES:
            done = wait_for(lambda d=done: len(self.ids("each")) > d and len(self.ids("each")),
                            "the next fire time")
            at = random.randrange(3)
            schedulers[at].kill9()
            schedulers[at] = self.start_scheduler(f"s{at}")
            if done == FIRES // 2:  # for once nobody is there
                for scheduler in schedulers:
                    scheduler.kill9()
                schedulers = [self.start_scheduler(f"s{i}") for i in range(3)]
        for scheduler in schedulers:
            scheduler.send(signal.SIGTERM)
            scheduler.wait()
        times = [fire_time(i) for i in self.ids("each")]
        self.assertEqual(times, list(range(times[0], times[0] + 1000 * len(times), 1000)))
        singles = [fire_time(i) for i in self.ids("once")]
        self.assertEqual(len(singles), len(set(singles)))
        # Twice fired would be two firings for one job: ids hide it, the counter does not.
        stats = self.fleet.stats()
        self.assertEqual(stats["enqueued"], len(times) + len(singles))
        self.assertLessEqual(stats["cron_fired"], stats["enqueued"])
        self.assertGreaterEqual(stats["cron_fired"], 2 * len(singles) - 1)
        self.assertEqual(len(self.fleet.fcall("wh1_audit", 100000)), 1)

    def test_a_thousand_due_at_once(self):
        """Many schedules due together, two schedulers, one stopped in the middle."""
        at = int(time.time()) * 1000
        for i in range(1000):
            self.set(f"s{i}", "0 0 1 1 *", at, payload=str(i))
        first, _ = self.start_scheduler("one"), self.start_scheduler("two")
        wait_for(lambda: self.fired() > 50, "some to fire")
        first.send(signal.SIGSTOP)
        wait_for(lambda: self.fired() >= 1000, "all to fire")
        first.send(signal.SIGCONT)
        calls = first.metric("wherry_scheduler_chores_total")
        wait_for(lambda: first.metric("wherry_scheduler_chores_total") > calls, "it to go on")
        stats = self.fleet.stats()
        self.assertEqual((stats["cron_fired"], stats["enqueued"]), (1000, 1000))
        calls = self.fleet.redis("INFO", "commandstats").decode()
        calls = re.search(r"cmdstat_fcall:calls=(\d+)", calls)
        self.assertLess(int(calls[1]), 1000 + 200)  # the sets, and few to fire them


class Misfires(CronTest):
    def test_policies(self):
        """Two hours without a scheduler."""
        due = utc("2026-06-01 00:00")
        now = due + 2 * HOUR + 5 * MINUTE
        self.use_test_clock(now)
        for name, more in (("once", {}), ("skip", {"misfire": "skip"}),
                           ("all", {"misfire": "all", "misfire_max": 3})):
            self.set(name, "*/10 * * * *", due, **more)
        self.start_scheduler("one")
        wait_for(lambda: self.fired() == 3, "all to be looked at")
        last = due + 2 * HOUR
        self.assertEqual([fire_time(i) for i in self.ids("once")], [last])
        self.assertEqual(self.ids("skip"), [])
        self.assertEqual([fire_time(i) for i in self.ids("all")],
                         [last - 20 * MINUTE, last - 10 * MINUTE, last])
        for name in ("once", "skip", "all"):
            self.assertEqual(self.next_of(name), last + 10 * MINUTE)
        self.clock(last + 10 * MINUTE)
        wait_for(lambda: self.fired() == 6, "the next fire time")
        self.assertEqual(len(self.ids("skip")), 1)  # in time again
        self.assertEqual((len(self.ids("once")), len(self.ids("all"))), (2, 4))

    def test_paused_and_removed(self):
        due = utc("2026-06-01 00:00")
        self.use_test_clock(due - 1000)
        for name in ("kept", "paused", "removed"):
            self.set(name, "0 0 * * *", due)
        self.start_scheduler("one").wait_event("redis.ready")
        self.fleet.fcall("wh1_cron_pause", "paused")
        self.fleet.fcall("wh1_cron_remove", "removed")
        self.clock(due)
        wait_for(lambda: self.next_of("kept") == due + 24 * HOUR, "the kept one")
        self.assertEqual((self.fired(), self.fleet.stats()["enqueued"]), (1, 1))
        self.assertIsNone(self.next_of("paused"))

    def test_what_cannot_be_read_harms_no_other(self):
        due = utc("2026-06-01 00:00")
        self.use_test_clock(due)
        self.fleet.fcall("wh1_cron_set", "bad", '{"expression":"@daily","colour":1}', due)
        self.set("nozone", "@daily", due, zone="Europe/Atlantis")
        self.set("big", "@daily", due, payload="x" * 1000)
        self.set("good", "@daily", due)
        self.fleet.configure(payload_max=500)
        scheduler = self.start_scheduler("one")
        wait_for(lambda: self.next_of("good") == due + 24 * HOUR, "the good one")
        scheduler.wait_event("cron.unreadable", 2)
        told = scheduler.wait_event("cron.fire_failed")
        self.assertEqual(told["schedule"], "big")
        self.assertIn("1000 bytes, this partition takes 500 (payload_max", told["error"])
        self.fleet.configure(payload_max=5000)
        wait_for(lambda: self.next_of("big") == due + 24 * HOUR, "the big one, later")
        self.assertEqual(len(self.ids("big")), 1)
        self.assertEqual((self.next_of("bad"), self.next_of("nozone")), (due, due))

    def test_jitter(self):
        due = utc("2026-06-01 00:00")
        self.use_test_clock(due)
        self.set("j", "@daily", due, jitter_ms=HOUR)
        self.start_scheduler("one")
        wait_for(lambda: self.fired() == 1, "it to fire")
        self.assertEqual(self.ids("j"), [])  # it is delayed
        reply = self.fleet.fcall("wh1_jobs", "scheduled", "", 10)
        row = dict(zip(reply[1][::2], reply[1][1::2]))
        self.assertEqual(fire_time(row[b"id"].decode()), due)
        self.assertTrue(due < int(row[b"next_retry_at_ms"]) <= due + HOUR)


@unittest.skipUnless(HAS_ZONES, "no time zone data")
class Clocks(CronTest):
    def walk(self, start, hours):
        """Half an hour at a time, with three schedulers; each step is seen by one."""
        self.use_test_clock(start)
        schedulers = [self.start_scheduler(f"s{i}") for i in range(3)]
        for scheduler in schedulers:
            wait_for(lambda s=scheduler: s.events("scheduler.partition"), "its partition")
        for step in range(2 * hours + 1):
            now = start + step * HOUR // 2
            self.clock(now)
            wait_for(lambda n=now: all(self.next_of(s) > n for s in self.names()),
                     "all that is due")
        self.assertEqual(self.fleet.stats()["enqueued"], self.fired())

    def times(self, name):
        return [datetime.fromtimestamp(fire_time(i) / 1000, timezone.utc).strftime("%d %H:%M")
                for i in self.ids(name)]

    def test_spring(self):
        start = utc("2026-03-29 00:00")  # Berlin: 01:00; at 01:00 UTC 02:00 becomes 03:00
        self.set("fixed", "30 2 * * *", start + HOUR, zone="Europe/Berlin")
        self.set("each", "*/30 * * * *", start, zone="Europe/Berlin")
        self.set("inside", "*/30 2 * * *", start + 24 * HOUR, zone="Europe/Berlin")
        self.walk(start, 3)
        self.assertEqual(self.times("fixed"), ["29 01:00"])
        self.assertEqual(self.times("each"), ["29 00:00", "29 00:30", "29 01:00", "29 01:30",
                                              "29 02:00", "29 02:30", "29 03:00"])
        self.assertEqual(self.times("inside"), [])

    def test_autumn(self):
        start = utc("2026-10-25 00:00")  # Berlin: 02:00 summer time, and 02:00 again at 01:00 UTC
        self.set("fixed", "30 2 * * *", start + HOUR // 2, zone="Europe/Berlin")
        self.set("inside", "*/30 2 * * *", start, zone="Europe/Berlin")
        self.walk(start, 3)
        self.assertEqual(self.times("fixed"), ["25 00:30"])
        self.assertEqual(self.times("inside"), ["25 00:00", "25 00:30", "25 01:00", "25 01:30"])


class DeclaringTest(CronTest):
    def write(self, schedules, name="scheduler.yaml"):
        path = os.path.join(self.fleet.folder, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write("schedules:\n" if schedules else "{}\n")
            for schedule, options in schedules.items():
                file.write(f"  {schedule}: {json.dumps(options)}\n")
        os.rename(path + ".new", path)
        return path

    def reload(self, scheduler):
        count = len(scheduler.events("config.reloaded"))
        scheduler.send(signal.SIGHUP)
        scheduler.wait_event("config.reloaded", count + 1)

    @staticmethod
    def item(expression="0 3 * * *", **more):
        return {"expression": expression, "partition": "eu:default", "type": "report", **more}


class Declared(DeclaringTest):
    def test_reconciled_at_start_and_reload(self):
        self.set("runtime", "@daily", 9999999999999)
        path = self.write({"a": self.item(), "b": self.item(jitter="5s", payload="x"),
                           "other": {**self.item(), "partition": "us:bulk"}})
        scheduler = self.start_scheduler("one", "-c", path)
        wait_for(lambda: self.names() == {"a", "b", "runtime"}, "the declared set")
        wait_for(lambda: self.names("wh:{us:bulk}") == {"other"}, "its other partition")
        self.assertEqual(self.definition("b"), {
            "expression": "0 3 * * *", "type": "report", "payload": "x", "jitter_ms": 5000,
            "declared": "default"})
        self.assertEqual(self.next_of("a") % (24 * HOUR), 3 * HOUR)
        self.write({"a": self.item("0 4 * * *"), "c": self.item(paused=True)})
        self.reload(scheduler)
        wait_for(lambda: self.names() == {"a", "c", "runtime"}, "the new set")
        wait_for(lambda: not self.names("wh:{us:bulk}"), "the other one to go")
        wait_for(lambda: self.next_of("a") % (24 * HOUR) == 4 * HOUR, "its new time")
        self.assertIsNone(self.next_of("c"))
        self.write({})
        self.reload(scheduler)
        wait_for(lambda: self.names() == {"runtime"}, "an empty set")

    def test_restart_removes_what_is_gone(self):
        path = self.write({"a": self.item(), "b": self.item()})
        self.start_scheduler("one", "-c", path).wait_event("cron.reconciled", 2)
        wait_for(lambda: self.names() == {"a", "b"}, "the declared set")
        self.write({"a": self.item()})
        self.start_scheduler("two", "-c", path)
        wait_for(lambda: self.names() == {"a"}, "the rest of the set")

    def test_others_are_left_alone(self):
        """Another set, and a scheduler that declares nothing."""
        path = self.write({"a": self.item()})
        self.start_scheduler("one", "-c", path).wait_event("cron.reconciled")
        other = self.write({"z": self.item()}, "other.yaml")
        self.start_scheduler("two", "-c", other, "--schedule-set", "two")
        wait_for(lambda: self.names() == {"a", "z"}, "both sets")
        bare = self.start_scheduler("bare")
        bare.wait_event("scheduler.partition")
        wait_for(lambda: bare.metric("wherry_scheduler_chores_total") > 3, "it to work")
        self.set("late", "@daily", 1)  # it looked at the list: fired by somebody
        wait_for(lambda: self.fired() == 1, "a firing")
        self.assertEqual(self.names(), {"a", "z", "late"})

    def test_an_operators_schedule_keeps_its_name(self):
        self.set("mine", "@daily", 9999999999999)
        path = self.write({"mine": self.item(), "b": self.item()})
        scheduler = self.start_scheduler("one", "-c", path)
        told = scheduler.wait_event("cron.name_taken")
        self.assertEqual((told["level"], told["schedule"]), ("warn", "mine"))
        wait_for(lambda: self.names() == {"mine", "b"}, "the one that is free")
        self.assertEqual(self.definition("mine")["expression"], "@daily")
        self.write({"b": self.item()})
        self.reload(scheduler)
        self.write({"b": self.item("0 4 * * *")})
        self.reload(scheduler)  # by then the reload before has been carried out
        wait_for(lambda: self.definition("b")["expression"] == "0 4 * * *", "the change")
        self.assertEqual(self.definition("mine")["expression"], "@daily")
        self.fleet.fcall("wh1_cron_remove", "mine")
        self.write({"mine": self.item()})
        self.reload(scheduler)
        wait_for(lambda: self.names() == {"mine"}, "the declared one")
        self.assertEqual(self.definition("mine")["declared"], "default")

    def test_the_name_of_the_set_is_reloaded(self):
        scheduler = None
        for name, was in (("one", "zero"), ("two", "one"), ("one", "two")):
            path = self.write({"a": self.item()})
            with open(path, "a", encoding="utf-8") as file:
                file.write(f"schedule_set: {name}\nschedule_set_was: [{was}]\n")
            if not scheduler:
                scheduler = self.start_scheduler("one", "-c", path)
            else:
                self.reload(scheduler)
            wait_for(lambda: self.names() and self.definition("a")["declared"] == name, name)
        self.assertEqual(scheduler.events("config.needs_restart"), [])
        self.assertEqual(scheduler.events("cron.name_taken"), [])

    def test_a_pause_outlives_a_change(self):
        path = self.write({"a": self.item()})
        scheduler = self.start_scheduler("one", "-c", path)
        wait_for(lambda: self.next_of("a"), "the declared one")
        self.fleet.fcall("wh1_cron_pause", "a")
        self.reload(scheduler)
        self.write({"a": self.item("0 5 * * *")})
        self.reload(scheduler)
        wait_for(lambda: self.definition("a")["expression"] == "0 5 * * *", "the change")
        self.assertIsNone(self.next_of("a"))

    def test_refusals_name_the_option(self):
        for item, why in ((self.item("0 24 * * *"), "schedules.a.expression: cron expression, "),
                          ({**self.item(), "partition": "eu"}, "schedules.a.partition: "),
                          (self.item(zone="Europe/Atlantis"), "schedules.a.zone: "),
                          (self.item(misfire_max=3), "schedules.a.misfire_max: ")):
            path = self.write({"a": item})
            process = self.start_scheduler("bad", "-c", path)
            self.assertEqual(process.wait(), 78)
            self.assertIn(why, process.log())
            self.assertIn("scheduler.yaml:2:", process.log())
            os.unlink(process.log_path)

    def test_default_cap(self):
        setting = "active:org/*"
        self.start_scheduler("one", "--max-active-jobs-per-org", "7").wait_event("limit.default_set")
        limits = self.fleet.redis("HGETALL", PARTITION + ":limits")
        self.assertEqual(limits, [setting.encode(), b"7"])
        self.fleet.fcall("wh1_limit", setting, 3)
        second = self.fleet.start("wherry-scheduler", "two", "--partitions", "eu:default",
                                  env={"MAX_ACTIVE_JOBS_PER_ORG": "9"})
        second.wait_event("scheduler.partition")
        wait_for(lambda: second.metric("wherry_scheduler_chores_total") > 3, "it to work")
        self.assertEqual(self.fleet.redis("HGET", PARTITION + ":limits", setting), b"3")

    def test_a_removed_default_cap_stays_removed(self):
        setting = "active:org/*"
        self.start_scheduler("one", "--max-active-jobs-per-org", "7").wait_event("limit.default_set")
        self.fleet.fcall("wh1_limit", setting, "")
        second = self.start_scheduler("two", "--max-active-jobs-per-org", "7")
        wait_for(lambda: second.metric("wherry_scheduler_chores_total") > 3, "it to work")
        self.assertIsNone(self.fleet.redis("HGET", PARTITION + ":limits", setting))
        self.assertEqual(second.events("limit.default_set"), [])

    def test_a_declared_priority(self):
        """5 is 5; without one the job gets its type's or its queue's."""
        self.fleet.fcall("wh1_limit", "priority:queue", 2)
        path = self.write({"a": self.item("0 5 * * *", priority=5), "b": self.item("0 5 * * *"),
                           "c": self.item("0 5 * * *", priority=0)})
        self.start_scheduler("one", "-c", path)
        wait_for(lambda: len(self.names()) == 3, "the declared ones")
        self.assertEqual([self.definition(n).get("priority") for n in "abc"], [5, None, 0])

    def test_default_cap_of_a_redis_that_refuses_writes(self):
        self.fleet.redis("CONFIG", "SET", "min-replicas-to-write", "1")
        scheduler = self.start_scheduler("one", "--max-active-jobs-per-org", "7",
                                         "--gauges-interval", "100ms")
        scheduler.wait_event("limit.default_failed")
        self.fleet.redis("CONFIG", "SET", "min-replicas-to-write", "0")
        scheduler.wait_event("limit.default_set")


if __name__ == "__main__":
    main()
