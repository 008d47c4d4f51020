#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Several sets of declared schedules in one partition: each keeps what it declared, and gets a
name when it is free. One that is refused holds up no other."""
import json

from fleet import PARTITION, main, wait_for
from test_cron_schedulers import DeclaringTest

EVENTS = ("cron.name_taken", "cron.reconcile_failed")


class Sets(DeclaringTest):
    def declare(self, team, schedules, *options):
        path = self.write(schedules, f"{team}.yaml")
        return self.start_scheduler(team, "-c", path, "--schedule-set", team, *options)

    def redeclare(self, scheduler, team, schedules):
        self.write(schedules, f"{team}.yaml")
        self.reload(scheduler)

    def set_of(self, name):
        text = self.fleet.redis("HGET", PARTITION + ":cron", name)
        return json.loads(text).get("declared") if text else None

    def both(self):
        """The first has the name, the second waits for it."""
        first = self.declare("first", {"nightly": self.item("0 1 * * *")})
        wait_for(lambda: self.set_of("nightly") == "first", "the first one's")
        second = self.declare("second", {"nightly": self.item("0 2 * * *"), "own": self.item()})
        wait_for(lambda: self.set_of("own") == "second", "the second one's")
        return first, second

    def test_a_name_stays_with_its_set(self):
        first, second = self.both()
        told = second.wait_event("cron.name_taken")
        self.assertEqual((told["level"], told["schedule"], told["declared_by"]),
                         ("warn", "nightly", "first"))
        self.assertIn("schedule_set_was", told["hint"])
        self.assertEqual(self.definition("nightly")["expression"], "0 1 * * *")
        self.redeclare(second, "second", {"own": self.item("0 4 * * *")})
        wait_for(lambda: self.definition("own")["expression"] == "0 4 * * *", "its change")
        self.assertEqual(self.set_of("nightly"), "first")
        self.redeclare(first, "first", {"nightly": self.item("0 5 * * *")})
        wait_for(lambda: self.definition("nightly")["expression"] == "0 5 * * *", "the change")
        self.assertEqual(len(second.events("cron.name_taken")), 1)
        self.assertEqual(first.events("cron.name_taken"), [])

    def test_a_name_that_is_free(self):
        """The other one takes it without a reload, and touches nothing else."""
        first, second = self.both()
        self.fleet.fcall("wh1_cron_remove", "own")
        self.redeclare(first, "first", {"other": self.item()})
        wait_for(lambda: self.set_of("nightly") == "second", "the second one's")
        self.assertEqual(self.definition("nightly")["expression"], "0 2 * * *")
        self.assertEqual(self.names(), {"nightly", "other"})
        self.reload(first)  # it declares it no more
        self.reload(second)
        wait_for(lambda: self.set_of("own") == "second", "what was removed, at a reload")
        self.assertEqual(self.set_of("nightly"), "second")

    def test_removed_by_an_operator(self):
        """One handed over by hand: the set that waits gets it, the other one is told."""
        first, _second = self.both()
        self.fleet.fcall("wh1_cron_remove", "nightly")
        wait_for(lambda: self.set_of("nightly") == "second", "the second one's")
        self.reload(first)
        self.assertEqual(first.wait_event("cron.name_taken")["declared_by"], "second")
        self.assertEqual(self.set_of("nightly"), "second")

    def test_a_set_that_follows_another(self):
        first = self.declare("first", {"nightly": self.item(), "left": self.item()})
        wait_for(lambda: self.names() == {"nightly", "left"}, "the first one's")
        first.kill9()
        self.fleet.fcall("wh1_cron_pause", "nightly")
        second = self.declare("second", {"nightly": self.item("0 2 * * *"), "new": self.item()},
                              "--schedule-set-was", "zeroth,first")
        wait_for(lambda: self.set_of("nightly") == self.set_of("new") == "second", "its own")
        self.assertIsNone(self.next_of("nightly"))  # a pause goes along
        self.assertEqual(self.set_of("left"), "first")
        self.assertEqual([e for name in EVENTS for e in second.events(name)], [])

    def test_two_that_follow_each_other(self):
        """It is handed over once; who lost it says so, and gets it when the other one lets go."""
        first = self.declare("first", {"nightly": self.item()}, "--schedule-set-was", "second")
        wait_for(lambda: self.set_of("nightly") == "first", "the first one's")
        second = self.declare("second", {"nightly": self.item()}, "--schedule-set-was", "first")
        wait_for(lambda: self.set_of("nightly") == "second", "the second one's")
        over = second.wait_event("cron.taken_over")
        self.assertEqual((over["schedule"], over["from"], over["schedule_set"]),
                         ("nightly", "first", "second"))
        told = first.wait_event("cron.name_taken")
        self.assertEqual((told["level"], told["schedule"], told["declared_by"],
                          told["schedule_set"]), ("warn", "nightly", "second", "first"))
        self.assertIn("this one names that one in schedule_set_was too", told["hint"])
        for hour in (4, 5):
            for scheduler, team in ((first, "first"), (second, "second")):
                self.redeclare(scheduler, team, {"nightly": self.item(),
                                                 f"of-{team}": self.item(f"0 {hour} * * *")})
                wait_for(lambda t=team, h=hour: self.set_of(f"of-{t}") == t and self.definition(
                    f"of-{t}")["expression"] == f"0 {h} * * *", "what comes behind it")
                self.assertEqual(self.set_of("nightly"), "second")
        self.assertEqual(second.events("cron.name_taken"), [])
        self.redeclare(second, "second", {"of-second": self.item()})
        wait_for(lambda: self.set_of("nightly") == "first", "the one that waits")

    def test_one_that_is_taken_back(self):
        """Who names the other set after it lost it (a new name that is taken back) gets it."""
        first = self.declare("first", {"nightly": self.item()})
        wait_for(lambda: self.set_of("nightly") == "first", "the first one's")
        second = self.declare("second", {"nightly": self.item()}, "--schedule-set-was", "first")
        wait_for(lambda: self.set_of("nightly") == "second", "the second one's")
        self.redeclare(first, "first", {"nightly": self.item(), "own": self.item()})
        wait_for(lambda: self.set_of("own") == "first", "it to look")
        self.assertIn("if that set is now this one", first.wait_event("cron.name_taken")["hint"])
        with open(self.write({"nightly": self.item(), "own": self.item()}, "first.yaml"), "a",
                  encoding="utf-8") as file:
            file.write("schedule_set_was: [second]\n")
        self.reload(first)
        wait_for(lambda: self.set_of("nightly") == "first", "the first one's again")
        self.assertEqual(second.wait_event("cron.name_taken")["declared_by"], "first")

    def test_one_that_is_too_big(self):
        """It is told, the others are made; it is made when it may be."""
        self.fleet.configure(payload_max=10)
        scheduler = self.declare("first", {"big": self.item(payload="x" * 11), "good": self.item(),
                                           "gone": self.item()})
        told = scheduler.wait_event("cron.reconcile_failed")
        self.assertEqual((told["level"], told["schedule"]), ("warn", "big"))
        self.assertIn("11 bytes, this partition takes 10 (payload_max", told["error"])
        wait_for(lambda: self.names() == {"good", "gone"}, "the others")
        self.fleet.fcall("wh1_cron_remove", "gone")
        scheduler.wait_event("cron.reconcile_failed", 2)
        self.assertEqual(self.names(), {"good"})
        self.fleet.configure(payload_max=11)
        wait_for(lambda: self.names() == {"good", "big"}, "the big one")


if __name__ == "__main__":
    main()
