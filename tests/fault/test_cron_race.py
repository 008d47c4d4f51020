#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An operator changes a schedule between a scheduler's list of them and its own change, or its
firing: the scheduler's link to Redis holds that call back until the operator's is done."""
import os
import socket
import subprocess
import threading
import time

from fleet import BIN, main, wait_for
from test_cron_schedulers import HOUR, DeclaringTest

FAR = 9999999999999


class Link:
    """Passes bytes on, but for those with `word` in them, which wait until let_go()."""

    def __init__(self, path, target):
        self.path, self.target, self.word = path, target, None
        self.came, self.may_go = threading.Event(), threading.Event()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen()
        self._start(self._accept)

    @staticmethod
    def _start(target, *args):
        threading.Thread(target=target, args=args, daemon=True).start()

    def hold(self, word):
        self.came.clear()
        self.may_go.clear()
        self.word = word

    def let_go(self):
        self.word = None
        self.may_go.set()

    def stop(self):
        self.let_go()
        self.listener.close()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            far.connect(self.target)
            self._start(self._pass, near, far, True)
            self._start(self._pass, far, near, False)

    def _pass(self, source, sink, may_hold):
        before = b""
        try:
            while piece := source.recv(1 << 16):
                word = self.word
                if may_hold and word and word in before + piece:
                    self.came.set()
                    self.may_go.wait()
                before = piece[-len(word):] if word else b""
                sink.sendall(piece)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        source.close()  # the other one's thread closes the other


class Races(DeclaringTest):
    def setUp(self):
        super().setUp()
        self.link = Link(os.path.join(self.fleet.folder, "held.sock"), self.fleet.socket)
        self.fleet.helpers.append(self.link)
        self.fleet.url = f"unix://{self.link.path}"

    def during(self, function, begin, operate):
        """What begin() starts calls function; operate() comes before that call arrives."""
        self.link.hold(function.encode())
        begun = begin()
        wait_for(self.link.came.is_set, function)
        operate()
        self.link.let_go()
        return begun

    def begin(self, schedules):
        return self.start_scheduler("one", "-c", self.write(schedules))

    def change(self, scheduler, schedules):
        self.write(schedules)
        self.reload(scheduler)

    def settled(self, scheduler):
        """Another change has come through behind the one that raced."""
        self.change(scheduler, {"end": self.item()})
        wait_for(lambda: "end" in self.names(), "the next reload")

    def test_a_new_one(self):
        scheduler = self.during("wh1_cron_set", lambda: self.begin({"mine": self.item()}),
                                lambda: self.set("mine", "@daily", FAR))
        scheduler.wait_event("cron.reconciled_anew")
        scheduler.wait_event("cron.name_taken")
        self.settled(scheduler)
        self.assertEqual(self.definition("mine"), {"expression": "@daily", "type": "t.mine"})
        self.assertEqual(self.next_of("mine"), FAR)

    def declared(self):
        scheduler = self.begin({"a": self.item()})
        wait_for(lambda: self.names() == {"a"}, "the declared one")
        return scheduler

    def test_one_that_was_declared(self):
        scheduler = self.declared()
        self.during("wh1_cron_set", lambda: self.change(scheduler, {"a": self.item("0 4 * * *")}),
                    lambda: self.set("a", "@daily", FAR))
        scheduler.wait_event("cron.name_taken")
        self.settled(scheduler)
        self.assertEqual(self.definition("a"), {"expression": "@daily", "type": "t.a"})

    def test_one_that_is_declared_no_more(self):
        scheduler = self.declared()
        self.during("wh1_cron_remove", lambda: self.change(scheduler, {"b": self.item()}),
                    lambda: self.set("a", "@daily", FAR))
        scheduler.wait_event("cron.reconciled_anew")
        self.settled(scheduler)
        self.assertEqual(self.definition("a"), {"expression": "@daily", "type": "t.a"})

    def test_a_pause(self):
        """The declared change comes through, and the pause stays."""
        scheduler = self.declared()
        self.during("wh1_cron_set", lambda: self.change(scheduler, {"a": self.item("0 4 * * *")}),
                    lambda: self.fleet.fcall("wh1_cron_pause", "a"))
        wait_for(lambda: self.definition("a")["expression"] == "0 4 * * *", "the change")
        self.assertIsNone(self.next_of("a"))

    def test_a_removal(self):
        """What is removed comes back when it is declared."""
        scheduler = self.declared()
        self.during("wh1_cron_set", lambda: self.change(scheduler, {"a": self.item("0 4 * * *")}),
                    lambda: self.fleet.fcall("wh1_cron_remove", "a"))
        wait_for(lambda: self.names() and self.definition("a")["expression"] == "0 4 * * *",
                 "the declared one")

    def test_a_firing(self):
        """The fire time that both definitions have is the new one's, and so is the next one."""
        due = int(time.time()) * 1000
        self.set("a", "@yearly", due, payload="old")
        self.set("b", "@yearly", due)

        def operate():
            self.set("a", "@daily", due, payload="new")
        self.during("wh1_cron_fire_batch", lambda: self.start_scheduler("one"), operate)
        wait_for(lambda: len(self.ids("a")) == 1 and len(self.ids("b")) == 1, "both to fire")
        self.assertEqual(self.fleet.job(self.ids("a")[0])["payload"], "new")
        wait_for(lambda: self.next_of("a") > due, "the next fire time")
        self.assertLessEqual(self.next_of("a") - due, 24 * HOUR)
        self.assertEqual(self.fired(), 2)

    def test_a_change_by_hand(self):
        """It fires between the look and the change: not once more by the new definition."""
        due = int(time.time() / 3600 + 1) * HOUR
        self.set("a", "@hourly", due)
        env = {**os.environ, "REDIS_URL": self.fleet.url}
        words = ["cron", "set", "a", "*/30 * * * *", "t.a", "--region", "eu"]
        done = self.during(
            "wh1_cron_set",
            lambda: subprocess.Popen([os.path.join(BIN, "wherry"), *words], env=env,
                                     stderr=subprocess.PIPE),
            lambda: self.fleet.fcall("wh1_cron_resume", "a", due + HOUR))
        with done:
            self.assertIn(b"changed; fires next at", done.stderr.read())
        self.assertEqual(done.returncode, 0)
        self.assertEqual(self.definition("a")["expression"], "*/30 * * * *")
        self.assertIn(self.next_of("a"), (due, due - HOUR // 2))

    def test_a_firing_of_what_is_removed(self):
        due = int(time.time()) * 1000
        self.set("a", "@yearly", due)
        self.set("b", "@yearly", due)
        self.during("wh1_cron_fire_batch", lambda: self.start_scheduler("one"),
                    lambda: self.fleet.fcall("wh1_cron_remove", "a"))
        wait_for(lambda: self.fired() == 1, "the other one")
        self.set("c", "@yearly", due)
        wait_for(lambda: self.fired() == 2, "another one")
        self.assertEqual([len(self.ids(n)) for n in "abc"], [0, 1, 1])
        self.assertIsNone(self.next_of("a"))


if __name__ == "__main__":
    main()
