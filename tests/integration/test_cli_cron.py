#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`wherry cron`: schedules made, looked at and changed from the command line."""
import json
import os
import tempfile
import time
import unittest
from datetime import datetime

from cli_case import CliCase, main

HAS_ZONES = os.path.exists("/usr/share/zoneinfo/Europe/Berlin")
KEY = "wh:{any:default}"


class Cron(CliCase):
    def listed(self):
        return {r["schedule"]: r for r in self.wherry("cron", "list", "--json").lines()}

    def test_set_and_show(self):
        done = self.wherry("cron", "set", "nightly", "0 3 * * *", "report", '{"a": 1}', "--org",
                           "acme", "--misfire", "all", "--misfire-max", "3", "--jitter", "5s",
                           "--json").json()
        self.assertEqual((done["result"], done["partition"]), ("created", "any:default"))
        self.assertEqual(done["next_ms"] % 86400000, 3 * 3600000)
        self.assertTrue(0 < done["next_ms"] - time.time() * 1000 <= 86400000 + 5000)
        shown = self.wherry("cron", "show", "nightly", "--json").json()
        self.assertEqual(shown["definition"], {
            "expression": "0 3 * * *", "type": "report", "org": "acme", "payload": '{"a": 1}',
            "misfire": "all", "misfire_max": 3, "jitter_ms": 5000})
        text = self.wherry("cron", "show", "nightly").out
        for pattern in (r"zone +UTC", r"next +20.*T03:00:00.000\+00:00 \(in ", r"jitter +5s",
                        r"payload +\{\"a\": 1\}"):
            self.assertRegex(text, pattern)
        same = self.wherry("cron", "set", "nightly", "0 3 * * *", "report", '{"a": 1}', "--org",
                           "acme", "--misfire", "all", "--misfire-max", "3", "--jitter", "5s")
        self.assertIn("same", same.err)
        self.wherry("cron", "set", "nightly", "0 4 * * *", "report")
        self.assertEqual(self.listed()["nightly"]["expression"], "0 4 * * *")
        self.assertEqual(self.listed()["nightly"]["next_ms"] % 86400000, 4 * 3600000)
        self.assertIn("any:default", self.wherry("queue", "list").out)

    @unittest.skipUnless(HAS_ZONES, "no zone data")
    def test_an_unknown_zone_is_told(self):
        """Somebody set it by plain Redis; it can't fire."""
        self.wherry("cron", "set", "s", "@daily", "t", "--zone", "Europe/Berlin")
        self.redis.call("FCALL", "wh1_cron_set", 1, KEY, "odd",
                        '{"expression":"* * * * *","type":"t","zone":"No/Where"}', 1000)
        rows = {line.split()[0]: line for line in self.wherry("cron", "list").out.splitlines()}
        self.assertRegex(rows["odd"], r" late .*unknown zone")
        self.assertNotIn("unknown", rows["s"])

    def test_nobody_keeps_time(self):
        """cron set and doctor say that no scheduler is there, doctor also how late a schedule is."""
        def doctor():
            checks = self.wherry("doctor", "--json").json()["checks"]
            return next(c for c in checks if c["check"] == "scheduler")
        self.assertIn("no wherry-scheduler is connected", self.wherry("cron", "set", "s", "@daily", "t").err)
        self.assertNotIn("connected", self.wherry("cron", "set", "p", "@daily", "t", "--paused").err)
        self.assertEqual((doctor()["state"], doctor()["text"]), ("warn", "none is connected; 1 schedule"))
        self.assertIn("start wherry-scheduler", doctor()["advice"])
        self.redis.call("CLIENT", "SETNAME", "wherry-scheduler:test")
        self.addCleanup(self.redis.call, "CLIENT", "SETNAME", "")
        self.assertNotIn("connected", self.wherry("cron", "set", "s", "@hourly", "t").err)
        self.assertEqual((doctor()["state"], doctor()["text"]), ("ok", "connected; 1 schedule"))
        self.redis.call("FCALL", "wh1_cron_set", 1, KEY, "s", '{"expression":"@hourly","type":"u"}', 1000)
        self.redis.call("FCALL", "wh1_cron_set", 1, KEY, "later", '{"expression":"@hourly","type":"t"}', 2000)
        found = doctor()
        self.assertEqual(found["state"], "warn")
        self.assertRegex(found["text"], "^connected; schedule s of any:default is .* late, and 1 more$")
        self.assertIn("log", found["advice"])

    def test_refusals(self):
        for words, why in (
                (("a b", "@daily", "t"), "is no name of a schedule"),
                (("s", "0 24 * * *", "t"), 'column 3: "24" is no hour'),
                (("s", "@daily", "t t"), "type"),
                (("s", "@daily", "t", "--zone", "Europe/Atlantis"), "there is none of this name"),
                (("s", "@daily", "t", "--misfire-max", "3"), 'is of misfire "all"'),
                (("s", "@daily"), "NAME EXPRESSION TYPE"),
                (("s", "@daily", "t", "--priority", "10"), "from 0 to 9")):
            self.assertIn(why, self.wherry("cron", "set", *words, status=2).err)
        self.wherry("cron", "list")
        self.assertEqual(self.redis.call("EXISTS", KEY + ":cron"), 0)

    def test_a_payload_is_text_of_some_size(self):
        for payload, why in ((b"\xff\xfe", "payload: byte 1 is no UTF-8 text"), (b"x" * 70000, "65536")):
            done = self.wherry("cron", "set", "s", "@daily", "t", "-", stdin=payload, status=65)
            self.assertIn(why, done.err)
            self.assertNotIn("--help", done.err)

    def test_a_payload_must_fit(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        schema, bad = (os.path.join(folder.name, name) for name in ("adult.json", "bad.json"))
        for path, text in ((schema, '{"required":["age"],"properties":{"age":{"minimum":18}}}'),
                           (bad, '{"nonsense":1}')):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        for payload, why in ((('{"age":17}',), "/age: 17 is less than minimum 18"),
                             (("{}",), 'payload: "age" is missing'),
                             (('{"age":',), "payload: not JSON at byte 7"),
                             ((), "payload: not JSON: empty")):
            done = self.wherry("cron", "set", "s", "@daily", "t", *payload, "--schema", schema,
                               status=65)
            self.assertIn(why, done.err)
        self.assertIn("nonsense", self.wherry("cron", "set", "s", "@daily", "t", "{}", "--schema",
                                              bad, status=78).err)
        self.wherry("cron", "set", "s", "@daily", "t", "{}", "--schema", "/nowhere/x", status=74)
        self.assertEqual(self.redis.call("EXISTS", KEY + ":cron"), 0)
        self.wherry("cron", "set", "s", "@daily", "t", '{"age":18}', "--schema", schema)
        self.wherry("cron", "set", "s", "@daily", "t", '{"age":17}', "--schema", schema, status=65)
        shown = json.loads(self.redis.call("HGET", KEY + ":cron", "s"))
        self.assertEqual(shown, {"expression": "@daily", "type": "t", "payload": '{"age":18}'})

    def test_pause_resume_remove(self):
        self.wherry("cron", "set", "s", "@hourly", "t")
        done = self.wherry("cron", "pause", "s", "--json").json()
        self.assertEqual(done, {"partition": "any:default", "schedule": "s", "result": "paused"})
        self.assertTrue(self.listed()["s"]["paused"])
        self.assertEqual(self.redis.call("ZCARD", KEY + ":cronat"), 0)
        self.assertIn("paused", self.wherry("cron", "list").out)
        self.wherry("cron", "resume", "s")
        self.assertEqual(self.listed()["s"]["next_ms"] % 3600000, 0)
        self.assertIn("is not paused", self.wherry("cron", "resume", "s").err)
        self.wherry("cron", "pause", "s")
        self.assertIn("fires next", self.wherry("cron", "set", "s", "@hourly", "t").err)
        self.assertFalse(self.listed()["s"]["paused"])
        self.wherry("cron", "set", "s", "@hourly", "t", "x", "--paused")
        self.wherry("cron", "resume", "s")
        self.assertIn("same; paused", self.wherry("cron", "set", "s", "@hourly", "t", "x",
                                                  "--paused").err)
        self.assertTrue(self.listed()["s"]["paused"])
        self.wherry("cron", "remove", "s")
        self.assertEqual(self.listed(), {})
        self.assertIn("there is no schedule", self.wherry("cron", "list").err)
        for verb in ("show", "pause", "resume", "remove", "run"):
            self.assertIn('no schedule "s"', self.wherry("cron", verb, "s", status=3).err)
        self.wherry("cron", "set", "nightly", "0 3 * * *", "report")
        self.wherry("cron", "set", "weekly", "0 3 * * 1", "report", "--region", "eu")
        for name, near in (("nighly", "nightly"), ("wekly", "weekly")):
            done = self.wherry("cron", "pause", name, status=3)
            self.assertIn(f'no schedule "{name}" in any of the partitions; did you mean "{near}"?',
                          done.err)

    def test_run_now(self):
        self.wherry("cron", "set", "s", "@hourly", "report", "body", "--org", "acme", "--priority",
                    "0", "--max-attempts", "3", "--timeout", "1m", "--jitter", "1h")
        before = self.listed()["s"]["next_ms"]
        ids = {self.wherry("cron", "run", "s").out.strip() for _ in range(2)}
        self.assertEqual(len(ids), 2)
        job = self.wherry("job", "show", ids.pop(), "--json").json()
        self.assertEqual((job["type"], job["org"], job["payload"], job["status"]),
                         ("report", "acme", "body", "pending"))
        self.assertEqual((job["priority"], job["max_attempts"], job["timeout_ms"]), (0, 3, 60000))
        self.assertEqual(self.listed()["s"]["next_ms"], before)

    def test_one_name_in_two_partitions(self):
        self.wherry("cron", "set", "s", "@daily", "t", "--region", "eu")
        self.wherry("cron", "set", "s", "@hourly", "t", "--region", "us")
        done = self.wherry("cron", "pause", "s", status=2)
        self.assertIn("in eu:default and in us:default; name the partition", done.err)
        self.wherry("cron", "pause", "s", "us:default")
        rows = self.wherry("cron", "list", "--json").lines()
        self.assertEqual({r["partition"]: r["paused"] for r in rows},
                         {"eu:default": False, "us:default": True})
        self.wherry("cron", "list", "eu:defxult", status=3)

    def test_a_foreign_definition(self):
        """What this version can't read is listed and can be removed."""
        self.wherry("cron", "set", "s", "@daily", "t")
        for text in ("{", '{"expression":"@daily","type":"t","colour":1}'):
            self.redis.call("FCALL", "wh1_cron_set", 1, KEY, "new", text, 1)
            self.assertRegex(self.wherry("cron", "list").out, r"new +any:default .*unreadable")
            self.assertIn("unreadable", self.wherry("cron", "show", "new").out)
            self.wherry("cron", "run", "new", status=65)
        self.wherry("cron", "remove", "new")

    def test_over_a_declared_one(self):
        """From now on it is the operator's."""
        self.redis.call("FCALL", "wh1_cron_set", 1, KEY, "s",
                        '{"expression":"@daily","type":"t","declared":"default"}', 1)
        done = self.wherry("cron", "set", "s", "@hourly", "t")
        self.assertIn('(set "default"), which leaves it alone from now on', done.err)
        self.assertNotIn("declared", self.wherry("cron", "set", "s", "@weekly", "t").err)

    def test_whose_it_is(self):
        self.wherry("cron", "set", "own", "@daily", "t")
        for name, at in (("s", 9999999999999), ("p", 0)):
            self.redis.call("FCALL", "wh1_cron_set", 1, KEY, name,
                            '{"expression":"@daily","type":"t","declared":"team1"}', at)
        rows = {line.split()[0]: line for line in self.wherry("cron", "list").out.splitlines()}
        self.assertRegex(rows["s"], r" declared by team1$")
        self.assertRegex(rows["p"], r" paused, declared by team1$")
        self.assertEqual(self.listed()["s"]["declared"], "team1")
        self.assertRegex(self.wherry("cron", "show", "s").out, r"declared by +team1\n")
        self.assertIn("unless another set that declares it", self.wherry("cron", "remove", "s").err)

    def test_a_payload_over_the_partitions_bound(self):
        self.wherry("queue", "set", "any:default", "payload-max=10")
        done = self.wherry("cron", "set", "s", "@daily", "t", "x" * 11, status=65)
        self.assertIn("the payload has 11 bytes, this partition takes 10 (payload_max", done.err)
        self.wherry("cron", "set", "s", "@daily", "t", "x" * 10)
        self.wherry("cron", "set", "s", "@daily", "t", "\u00e4" * 6, status=65)
        self.assertEqual(self.wherry("cron", "show", "s", "--json").json()["definition"]["payload"],
                         "x" * 10)

    def test_over_a_due_one(self):
        """What was due fires as it was before its times change."""
        self.redis.call("FCALL", "wh1_cron_set", 1, KEY, "s",
                        '{"expression":"@yearly","type":"old"}', 1)
        done = self.wherry("cron", "set", "s", "@hourly", "new").err
        self.assertIn("schedule s was due at 1970-01-01T00:00:00.001+00:00, which was fired first",
                      done)
        self.assertEqual(self.listed()["s"]["next_ms"] % 3600000, 0)
        self.assertEqual([r["type"] for r in self.wherry("job", "list", "any:default",
                                                         "--json").lines()], ["old"])
        self.assertNotIn("was due", self.wherry("cron", "set", "s", "@weekly", "new").err)

    def test_next(self):
        rows = self.wherry("cron", "next", "*/15 * * * *", "-n", "3", "--json",
                           env={"REDIS_URL": None}).lines()
        self.assertEqual(len(rows), 3)
        for before, row in zip(rows, rows[1:]):
            self.assertEqual(row["at_ms"] - before["at_ms"], 900000)
        at = datetime.fromisoformat(rows[0]["at"].replace("Z", "+00:00"))
        self.assertEqual(at.timestamp() * 1000, rows[0]["at_ms"])
        self.assertTrue(0 <= rows[0]["in_ms"] <= 900000)
        self.assertEqual(len(self.wherry("cron", "next", "@daily").out.splitlines()), 6)
        self.assertIn("column", self.wherry("cron", "next", "0 0 30 2 *", status=2).err)

    def test_next_of_a_schedule(self):
        self.wherry("cron", "set", "s", "0 3 * * *", "t", "--region", "eu")
        next_ms = self.listed()["s"]["next_ms"]
        rows = self.wherry("cron", "next", "s", "-n", "3", "--json").lines()
        self.assertEqual([r["at_ms"] - next_ms for r in rows], [0, 86400000, 2 * 86400000])
        self.redis.call("ZADD", "wh:{eu:default}:cronat", 1000, "s")  # late
        rows = self.wherry("cron", "next", "s", "eu:default", "-n", "2", "--json").lines()
        self.assertEqual([r["at_ms"] for r in rows], [1000, next_ms])
        self.wherry("cron", "pause", "s")
        self.assertIn("it is paused", self.wherry("cron", "next", "s").err)
        for words, status, why in ((("s", "--zone", "UTC"), 2, "has its own"),
                                   (("t",), 3, 'no schedule "t"'),
                                   (("@daily", "eu:default"), 2, "has no partition")):
            self.assertIn(why, self.wherry("cron", "next", *words, status=status).err)

    @unittest.skipUnless(HAS_ZONES, "no time zone data")
    def test_next_in_a_zone(self):
        rows = self.wherry("cron", "next", "0 12 * * *", "--zone", "Asia/Kolkata", "-n", "2",
                           "--json").lines()
        for row in rows:
            self.assertTrue(row["local"].endswith("T12:00:00.000+05:30"))
            self.assertTrue(row["at"].endswith("T06:30:00.000Z"))
        self.wherry("cron", "set", "s", "0 12 * * *", "t", "--zone", "Asia/Kolkata")
        self.assertRegex(self.wherry("cron", "show", "s").out, r"next +.*T12:00:00.000\+05:30")
        shown = json.loads(self.redis.call("HGET", KEY + ":cron", "s"))
        self.assertEqual(shown["zone"], "Asia/Kolkata")


if __name__ == "__main__":
    main()
