#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What holds jobs up is told: adaptive rates, Retry-After, snoozes, time for retries, fleets that are mixed, pauses."""
import json

from cli_case import CliCase, main


class Told(CliCase):
    def explain(self, job):
        return self.wherry("job", "explain", job, "--json").json()

    def says(self, worker, **info):
        self.redis.heartbeat(worker, info=json.dumps(info))

    def test_adaptive_rate_and_retry_after(self):
        jobs = [self.enqueue("mail") for _ in range(3)]
        self.redis.heartbeat("w")
        self.wherry("limit", "set", "adaptive:type/mail=1/100/5")
        first, second = self.redis.claim("w", 2)
        self.redis.finish("w", first, "retry", category="unavailable")
        self.assertIn("adaptive rate of type/mail: 50/s now\n", self.wherry("queue", "stats").out)
        self.assertRegex(self.wherry("limit", "list").out, r"adaptive:type/mail +1/100/5 +50/s now\n")
        said = self.explain(jobs[2])
        self.assertEqual((said["reason"], said["adaptive_rate"]), ("ready", 50))
        self.assertIn("; the adaptive rate of type mail is 50/s now", said["sentence"])
        self.redis.finish("w", second, "retry", delay=600000, category="rate_limited")
        said = self.explain(jobs[2])
        self.assertEqual(said["reason"], "retry_after")
        self.assertRegex(said["sentence"],
                         r"^waits because type mail is held: a handler said Retry-After \(over in \S+( \S+)?\): "
                         r"adaptive:type/mail=1/100/5; the adaptive rate of type mail is \d+\.?\d*/s now$")
        stats = self.wherry("queue", "stats", "--json").json()
        self.assertEqual(stats["limits"], {"adaptive:type/mail": "1/100/5"})
        self.assertEqual(stats["breakers"], {})
        self.assertLessEqual(stats["paces"]["mail"]["rate"], 50)
        self.assertTrue(0 < stats["paces"]["mail"]["retry_after_ms"] <= 600000)
        rows = self.wherry("limit", "list", "--json").lines()
        self.assertEqual([r["setting"] for r in rows], ["adaptive:type/mail"])
        self.assertTrue(0 < rows[0]["retry_after_ms"] <= 600000)
        self.assertIsNone(rows[0]["state"])
        self.assertRegex(self.wherry("queue", "stats").out, r"/s now, held by a handler's Retry-After for ")
        done = self.wherry("limit", "remove", "adaptive:type/mai")
        self.assertIn("did you mean adaptive:type/mail?", done.err)

    def test_a_snooze(self):
        job = self.enqueue("mail")
        self.redis.heartbeat("w")
        token, = self.redis.claim("w", 1)
        self.redis.finish("w", token, "snooze", delay=600000, category="unavailable", message="the bank is closed")
        self.assertRegex(self.explain(job)["sentence"],
                         r"^waits because its handler snoozed it, as unavailable: the bank is closed \(runs in ")
        shown = self.wherry("job", "show", job).out
        self.assertRegex(shown, r"(?m)^snoozed until \S+ \(in ")
        self.assertRegex(shown, r"(?m)^snoozes +1$")
        self.assertRegex(shown, r"(?m)^snooze says +the bank is closed$")
        record = self.wherry("job", "show", job, "--json").json()
        self.assertEqual((record["snoozes"], record["snooze_category"], record["snooze_message"]),
                         (1, "unavailable", "the bank is closed"))
        self.assertEqual(record["snoozed_until_ms"], record["next_retry_at_ms"])
        self.assertIn("after a snooze: unavailable", self.wherry("job", "list").out)

    def test_all_of_one_job(self):
        job = self.enqueue("mail", "--retry-for", "10m", "--key", "order-7",
                           "--group", "g1")
        shown = self.wherry("job", "show", job).out
        for row in (r"retry for +10m00s", r"key +order-7", r"group +g1"):
            self.assertRegex(shown, rf"(?m)^{row}$")

    def test_the_time_for_retries(self):
        job = self.enqueue("mail", "--retry-for", "10m")
        self.redis.heartbeat("w")
        said = self.explain(job)
        self.assertTrue(0 < said["retries_end_ms"] <= 600000)
        self.assertNotIn("retry_for", said["sentence"])
        self.assertRegex(self.wherry("job", "explain", job).out, r"(?m)^retries end in +\S+")
        token, = self.redis.claim("w", 1)
        self.redis.finish("w", token, "retry", delay=60000, category="timeout")
        self.assertRegex(self.explain(job)["sentence"],
                         r"; no retry of it starts later than in \S+( \S+)? \(retry_for\)$")
        late = self.enqueue("mail", "--retry-for", "1ms")
        token, = self.redis.claim("w", 1)
        self.redis.finish("w", token, "snooze", delay=60000)
        self.assertTrue(self.explain(late)["sentence"].endswith(
            "; the time for its retries (retry_for) is over: who claims it ends it as failed"))

    def test_a_mixed_fleet(self):
        self.enqueue("mail")
        job = self.enqueue("mail")
        self.says("able", types=["mail"], slots=1)
        self.says("other", types=["sms"], slots=1)
        self.redis.claim("able", 1)
        said = self.explain(job)
        self.assertEqual(said["reason"], "no_slot")
        self.assertTrue(said["sentence"].startswith(
            "waits for a slot: of 2 live workers 1 has no handler for type mail, 1 has no free slot"), said)
        self.says("busy", types=["mail"], slots=1, backpressure="busy")
        self.assertIn("of 3 live workers 1 has no handler for type mail, 1 claims nothing for now (busy), "
                      "1 has no free slot", self.explain(job)["sentence"])
        self.says("able", types=["mail"], slots=1, state="quiet")
        said = self.explain(job)
        self.assertEqual(said["reason"], "backpressure")
        self.assertEqual(said["sentence"], "waits because no live worker takes it: of 3 live workers 1 is quiet or "
                         "about to end, 1 has no handler for type mail, 1 claims nothing for now (busy)")
        self.says("free", types=["mail"], slots=2)
        said = self.explain(job)
        self.assertEqual(said["reason"], "ready")
        self.assertIn("nothing holds it; of 4 live workers 1 is quiet or about to end, 1 has no handler for type mail, "
                      "1 claims nothing for now (busy)", said["sentence"])

    def test_a_quiet_one_could(self):
        job = self.enqueue("mail")
        self.says("able", types=["mail"], slots=1, state="quiet")
        self.says("other", types=["sms"], slots=1)
        said = self.explain(job)
        self.assertEqual(said["reason"], "no_handler")
        self.assertEqual(said["sentence"], "waits because no live worker takes it: of 2 live workers 1 is quiet or "
                         "about to end, 1 has no handler for type mail")

    def test_who_failed_it_for_want_of_a_handler(self):
        job = self.enqueue("mail")
        self.says("other", types=["sms"], slots=1)
        token, = self.redis.claim("other", 1)
        self.redis.finish("other", token, "retry", delay=60000, category="no_handler")
        self.says("able", types=["mail"], slots=1)
        self.assertIn("; only 1 of 2 workers has a handler for type mail", self.explain(job)["sentence"])

    def test_no_snoozes_are_made_up(self):
        dead = self.enqueue("mail")
        self.redis.heartbeat("w")
        token, = self.redis.claim("w", 1)
        self.redis.finish("w", token, "dead", category="crash")
        for args in (("job", "show", dead), ("dlq", "show", dead)):
            self.assertNotIn("snooze", self.wherry(*args).out)
            self.assertNotIn("snoozes", self.wherry(*args, "--json").json())

    def test_pauses_count_at_once(self):
        for org in ("a", "a", "b"):
            self.enqueue("mail", "--org", org)
        self.wherry("queue", "pause", "--org", "a")
        waiting = self.wherry("queue", "stats", "--json").json()["waiting"]
        self.assertEqual((waiting["ready"], waiting["parked"], waiting["queue_paused"]), (1, 2, 0))
        self.wherry("queue", "pause")
        waiting = self.wherry("queue", "stats", "--json").json()["waiting"]
        self.assertEqual((waiting["ready"], waiting["parked"], waiting["queue_paused"]), (0, 3, 1))
        self.assertRegex(self.wherry("queue", "stats").out, r"(?m)^  parked +3  the queue is paused$")


if __name__ == "__main__":
    main()
