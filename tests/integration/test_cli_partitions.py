#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which partitions `wherry` looks at: mistyped ones, new ones, damaged ones, none at all."""
import json
import os

from cli_case import DEADLINE_S, CliCase, Proxy, main

UUID = "0190c6a0-1c6e-7c3a-9d52-3f1f0a4b2c11"
EU = "wh:{eu:default}"


class Unknown(CliCase):
    def keys(self):
        return sorted(self.redis.call("KEYS", "*"))

    def test_a_mistyped_partition_is_not_an_empty_one(self):
        self.enqueue("t", "--region", "eu")
        before = self.keys()
        for words in (("queue", "stats"), ("queue", "pause"), ("queue", "resume"), ("job", "list"),
                      ("dlq", "list"), ("dlq", "replay", "--all"), ("dlq", "purge", "--all", "--yes"),
                      ("org", "list"), ("worker", "list"), ("worker", "quiet", "w1"), ("audit",)):
            for flags in (("eu:defxult",), ("--region", "eu", "--queue", "defxult")):
                done = self.wherry(*words, *flags, "--json", status=3)
                self.assertIn("no partition eu:defxult is known; did you mean eu:default?", done.err)
                self.assertEqual(done.out, "", words)
        self.assertIn("did you mean", self.wherry("job", "show", UUID, "--region", "ex",
                                                  status=3).err)
        self.assertEqual(self.keys(), before)
        self.assertIn("did you mean eu:default?", self.wherry("dlq", "list", "default", status=3).err)
        self.assertNotIn("did you", self.wherry("dlq", "list", "asia:reports", status=3).err)

    def test_a_flag_that_says_otherwise_is_refused(self):
        self.enqueue("t")
        self.kill_jobs(1)
        before = self.redis.call("XLEN", "wh:{any:default}:dlq")
        for words in (("queue", "pause", "any:default"), ("queue", "stats", "any:default"),
                      ("queue", "set", "any:default", "keep=1h"), ("audit", "any:default"),
                      ("limit", "set", "any:default", "active:queue=1"),
                      ("dlq", "purge", "any:default", "--all", "--yes"),
                      ("org", "weight", "acme", "2", "any:default")):
            for flag, value in (("--region", "us"), ("--queue", "mail")):
                done = self.wherry(*words, flag, value, status=2)
                self.assertIn(f"any:default and {flag} {value} contradict each other", done.err)
        self.wherry("queue", "pause", "default", "--queue", "mail", status=2)
        self.assertEqual(self.redis.call("EXISTS", "wh:{any:default}:limits"), 0)
        self.assertEqual(self.redis.call("HGET", "wh:{any:default}:ctl", "paused"), None)
        self.assertEqual(self.redis.call("XLEN", "wh:{any:default}:dlq"), before)
        self.wherry("queue", "pause", "any:default", "--region", "any", "--queue", "default")
        self.wherry("queue", "resume", "any:default", env={"WHERRY_REGION": "us"})
        self.wherry("queue", "stats", "default", "--region", "any")

    def test_one_that_plain_redis_made_is_known(self):
        self.wherry("functions", "load")
        self.redis.call("FCALL", "wh1_enqueue", 1, EU, "t", "")
        self.assertEqual(self.redis.call("EXISTS", "wh:{registry}"), 0)
        self.assertEqual(len(self.wherry("job", "list", "eu:default", "--json").lines()), 1)
        self.wherry("queue", "pause", "eu:default")
        self.assertEqual(self.redis.call("HGET", EU + ":ctl", "paused"), b"1")
        self.redis.call("SET", "wh:{eu:broken}:jobs", "x")
        self.wherry("queue", "stats", "eu:broken", status=65)

    def test_one_that_plain_redis_made_is_registered_when_it_is_named(self):
        self.wherry("functions", "load")
        key = "wh:{us:bare}"
        job = self.redis.call("FCALL", "wh1_enqueue", 1, key, "t", "x")[0].decode()
        self.assertIn("there is no job", self.wherry("job", "explain", job, status=3).err)
        found = self.wherry("job", "show", job, "--region", "us", "--queue", "bare", "--json").json()
        self.assertEqual(found["queue"], "bare")
        self.assertEqual([r["partition"] for r in self.wherry("queue", "list", "--json").lines()],
                         ["us:bare"])
        self.wherry("job", "explain", job)
        self.assertEqual(self.wherry("audit", "--json").json()["partition"], "us:bare")

    def test_pause_before_the_first_job(self):
        done = self.wherry("queue", "pause", "eu:import", status=3)
        self.assertIn("--new", done.err)
        self.assertEqual(self.redis.call("EXISTS", "wh:{eu:import}:ctl"), 0)
        self.wherry("queue", "pause", status=3)
        done = self.wherry("queue", "pause", "eu:import", "--new", "--json").json()
        self.assertEqual(done, {"partition": "eu:import", "result": "paused"})
        self.assertIn("paused", self.wherry("queue", "list").out)
        self.wherry("queue", "resume", "eu:import")
        self.wherry("queue", "pause", "eu:import")

    def test_what_makes_a_partition_says_so_when_the_name_is_near_another(self):
        self.enqueue("t", "--region", "eu")
        for words in (("job", "enqueue", "t", "--queue", "defxult"),
                      ("queue", "set", "eu:defaultx", "keep=1h"),
                      ("org", "weight", "a", "2", "eu:defxxult")):
            err = self.wherry(*words, "--region", "eu").err
            self.assertRegex(err, r"eu:\w+ is a new partition; did you mean eu:\w+\?", words)
            self.assertNotIn("new partition", self.wherry(*words, "--region", "eu").err)
        self.assertEqual(len(self.wherry("queue", "list", "--json").lines()), 4)
        self.assertNotIn("new", self.wherry("job", "enqueue", "t", "--queue", "reports").err)

    def listed(self):
        return [r["partition"] for r in self.wherry("queue", "list", "--json").lines()]

    def test_an_empty_one_is_forgotten(self):
        self.enqueue("t")
        self.wherry("queue", "set", "eu:defxult", "keep=1h")
        self.assertEqual(self.listed(), ["any:default", "eu:defxult"])
        self.wherry("queue", "forget", status=2)
        self.wherry("queue", "forget", "eu:defxult", "--region", "us", status=2)
        self.wherry("queue", "forget", "eu:nope", status=3)
        done = self.wherry("queue", "forget", "eu:defxult", "--json")
        self.assertEqual(done.json(), {"partition": "eu:defxult", "result": "forgotten"})
        self.assertEqual(self.listed(), ["any:default"])
        self.wherry("queue", "stats", "eu:defxult", status=3)
        self.wherry("queue", "forget", "eu:defxult", status=3)

    def test_one_that_holds_anything_is_not(self):
        def worker():
            self.wherry("queue", "set", "eu:default", "keep=1h")
            self.redis.heartbeat("w1", partition=EU)

        def kept():
            job = self.enqueue("t", "--region", "eu")
            self.wherry("job", "cancel", job)
        for make, said in ((lambda: self.enqueue("t", "--region", "eu"), "1 pending"),
                           (lambda: self.enqueue("t", "--region", "eu", "--delay", "1h"),
                            "1 scheduled"),
                           (worker, "workers"), (kept, "1 kept"),
                           (lambda: self.wherry("cron", "set", "s", "@hourly", "t", "--region", "eu"),
                            "schedules")):
            self.redis.call("FLUSHALL")
            make()
            with self.subTest(said=said):
                done = self.wherry("queue", "forget", "eu:default", status=4)
                self.assertIn(f"eu:default is not empty: {said}", done.err)
                self.assertEqual(self.listed(), ["eu:default"])
        self.redis.call("FLUSHALL")
        self.kill_jobs(1)
        for worker in self.redis.call("ZRANGE", "wh:{any:default}:workers", 0, -1):
            self.redis.heartbeat(worker.decode(), "bye")
        self.assertIn("any:default is not empty: 1 dead",
                      self.wherry("queue", "forget", "any:default", status=4).err)

    def test_what_came_in_while_it_was_forgotten_brings_it_back(self):
        """A job that comes between the look and the removal: it is seen by the look behind that."""
        self.wherry("queue", "set", "eu:default", "keep=1h")
        path = os.path.join(self.home, "proxy.sock")
        proxy = Proxy(path, self.redis.path, b"wh1_unregister",
                      lambda: self.redis.call("FCALL", "wh1_enqueue", 1, EU, "t", ""))
        done = self.wherry("queue", "forget", "eu:default", status=4,
                           env={"REDIS_URL": "unix://" + path})
        proxy.join(DEADLINE_S)
        self.assertIn("eu:default is not empty: 1 pending", done.err)
        self.assertEqual(self.listed(), ["eu:default"])

    def test_one_flag_narrows(self):
        for where in ("eu:a", "eu:b", "us:a"):
            region, queue = where.split(":")
            self.enqueue("t", "--region", region, "--queue", queue)
        for flags, env, want in ((("--region", "eu"), {}, ["eu:a", "eu:b"]),
                                 (("--queue", "a"), {}, ["eu:a", "us:a"]),
                                 ((), {"WHERRY_REGION": "us"}, ["us:a"]),
                                 (("--region", "us", "--queue", "a"), {}, ["us:a"])):
            rows = self.wherry("queue", "list", "--json", *flags, env=env).lines()
            self.assertEqual([r["partition"] for r in rows], want)
        self.wherry("queue", "list", "--region", "ex", status=3)


class Damaged(CliCase):
    def setUp(self):
        super().setUp()
        for region in ("any", "eu", "us"):
            self.enqueue("t", "--region", region)
        self.redis.heartbeat("w1", partition="wh:{us:default}")
        self.redis.heartbeat("w1")
        for key in ("workers", "jobs", "dlq"):
            self.redis.call("DEL", f"{EU}:{key}")
            self.redis.call("SET", f"{EU}:{key}", "x")

    def test_workers_of_the_others(self):
        done = self.wherry("worker", "list", "--json", status=65)
        self.assertEqual([r["partition"] for r in done.lines()], ["any:default", "us:default"])
        self.assertIn("eu:default: ", done.err)
        done = self.wherry("worker", "quiet", "w1", "--json", status=65)
        self.assertEqual([r["partition"] for r in done.lines()], ["any:default", "us:default"])
        self.assertIn("eu:default: ", done.err)
        self.assertIn(b"quiet", self.redis.heartbeat("w1", "renew", "wh:{us:default}"))
        self.assertIn("no worker w9", self.wherry("worker", "quiet", "w9", status=65).err)

    def test_jobs_of_the_others(self):
        job = self.wherry("job", "list", "us:default", "--json").json()["id"]
        self.assertEqual(self.wherry("job", "show", job, "--json").json()["region"], "us")
        done = self.wherry("job", "show", UUID, status=65)
        self.assertIn("eu:default: ", done.err)
        self.assertIn("there is no job", done.err)
        done = self.wherry("dlq", "show", "1-1", status=65)
        self.assertIn("eu:default: ", done.err)
        self.assertIn("no dead job", done.err)


class Nothing(CliCase):
    def test_json_of_nothing(self):
        empty = {"partition": None, "jobs": 0, "problems": []}
        self.assertEqual(self.wherry("audit", "--json").json(), empty)
        for words in (("queue", "list"), ("worker", "list"), ("job", "list"), ("dlq", "list"),
                      ("org", "list")):  # lists: a line each, so none
            self.assertEqual(self.wherry(*words, "--json").out, "")
        for words in (("doctor",), ("queue", "stats"), ("dlq", "replay", "--all"), ("version",),
                      ("dlq", "purge", "--all", "--yes"), ("functions", "status"), ("help",)):
            self.assertIsInstance(self.wherry(*words, "--json").json(), dict, words)
        done = self.wherry("job", "enqueue", "--jsonl", "--json").json()
        self.assertEqual((done["created"], done["existing"]), (0, 0))
        done = self.wherry("job", "enqueue", "--jsonl", "--json", stdin=b"x", status=65)
        self.assertEqual(done.json()["created"], 0)
        self.assertIn("nothing is enqueued: go on at line 1", done.err)

    def test_help_as_json(self):
        whole = self.wherry("help", "--json").json()
        names = {(c["noun"], c["verb"]) for c in whole["commands"]}
        self.assertIn(("dlq", "replay"), names)
        self.assertIn(("audit", None), names)
        self.assertIn({"status": 3, "meaning": "no such job, entry, worker, partition"},
                      whole["exit_statuses"])
        self.assertIn("redis", [f["name"] for f in whole["flags"]])
        one = self.wherry("help", "dlq", "purge", "--json").out
        self.assertEqual(one, self.wherry("dlq", "purge", "--help", "--json").out)
        (command,) = json.loads(one)["commands"]
        flags = {f["name"]: f for f in command["flags"]}
        self.assertEqual(flags["limit"]["not_with"], "all")
        self.assertEqual((flags["rate"]["min"], flags["rate"]["kind"]), (1, "rate"))
        self.assertIn("lost_worker", flags["category"]["choices"])
        self.assertEqual(len(command["examples"]), 2)
        self.assertEqual(len(self.wherry("help", "job", "--json").json()["commands"]), 8)
        self.wherry("help", "--markdown", "--json", status=2)

    def test_a_job_that_is_not_kept(self):
        job = self.enqueue("t")
        self.wherry("queue", "set", "keep-count=0")
        self.redis.heartbeat("w1")
        self.redis.finish("w1", self.redis.claim("w1", 1)[0], "ok")
        done = self.wherry("job", "wait", job, status=3)
        self.assertIn("it has ended and is not kept", done.err)


if __name__ == "__main__":
    main()
