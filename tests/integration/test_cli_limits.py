#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`wherry limit`, pauses of orgs and types, `job explain`, groups and unique jobs."""
import json

from cli_case import P, CliCase, main

UUID = "0190c6a0-1c6e-7c3a-9d52-3f1f0a4b2c11"


class Limits(CliCase):
    def limits(self):
        return {r["setting"]: r["value"]
                for r in self.wherry("limit", "list", "any:default", "--json").lines()}

    def test_set_list_remove(self):
        self.enqueue("mail")
        done = self.wherry("limit", "set", "any:default", "rate:org/acme=100/60s/20",
                           "active:org/*=5", "bytes:queue=2GiB", "--json")
        self.assertEqual(done.json(), {
            "partition": "any:default", "result": "set",
            "settings": {"rate:org/acme": "100/60000/20", "active:org/*": "5",
                         "bytes:queue": "2147483648"}})
        self.assertEqual(self.limits(), {"rate:org/acme": "100/60000/20", "active:org/*": "5",
                                         "bytes:queue": "2147483648"})
        table = self.wherry("limit", "list").out
        self.assertRegex(table, r"rate:org/acme +100/1m/20")
        self.assertRegex(table, r"bytes:queue +2GiB")
        done = self.wherry("limit", "remove", "any:default", "rate:org/acme", "bytes:queue")
        self.assertIn("no rate:org/acme any more", done.err)
        self.assertEqual(self.limits(), {"active:org/*": "5"})
        self.wherry("limit", "remove", "active:org/*")
        self.assertIn("any:default has no limits", self.wherry("limit", "list").err)

    def test_what_the_list_gives_can_be_set(self):
        self.enqueue("mail")
        words = ["rate:org/acme=100/90s/20", "rate:queue=3/1d/1", "active:org/*=5", "jobs:queue=7",
                 "bytes:queue=1000", "bytes:org/*=1536KiB", "memory:queue=80%", "priority:queue=3",
                 "breaker:type/mail=50%/20/30s/1500ms/3", "adaptive:type/mail=0.5/100/5",
                 "pause:org/acme=1"]
        self.wherry("limit", "set", *words)
        before = self.limits()
        self.assertEqual(len(before), len(words))
        listed = [r["set"] for r in self.wherry("limit", "list", "--json").lines()]
        self.wherry("limit", "remove", *before)
        self.assertEqual(self.limits(), {})
        self.wherry("limit", "set", *listed)
        self.assertEqual(self.limits(), before)

    def test_all_or_nothing(self):
        """A word that is wrong keeps the others from being sent."""
        self.enqueue("mail")
        done = self.wherry("limit", "set", "active:queue=5", "rate:queue=1/60", status=2)
        self.assertIn("times need a unit", done.err)
        self.assertEqual(self.limits(), {})
        done = self.wherry("limit", "set", "any:default", status=2)
        self.assertIn("say which limit, like active:org/acme=5", done.err)
        done = self.wherry("limit", "remove", "byte:queue", status=2)
        self.assertIn('did you mean "bytes"', done.err)

    def test_so_many_breakers_are_not_all_listed(self):
        self.wherry("limit", "set", "breaker:type/*=50%/1/30s/10s/1")
        self.redis.heartbeat("w1")
        for i in range(103):
            self.enqueue(f"t{i}")
            for token in self.redis.claim("w1", 1):
                self.redis.finish("w1", token, "dead", category="timeout")
        done = self.wherry("limit", "list", "--json")
        self.assertEqual(len(done.lines()), 101)  # the setting, too
        self.assertIn("3 more types have a breaker that is not closed", done.err)
        stats = self.wherry("queue", "stats", "--json").json()
        self.assertEqual(len(stats["breakers"]), 100)
        self.assertIn("breakers of 3 more types: not closed", self.wherry("queue", "stats").out)

    def test_a_breaker_shows_its_state(self):
        self.enqueue("mail")
        self.wherry("limit", "set", "breaker:type/*=50%/2/30s/10s/1")
        self.redis.heartbeat("w1")
        for _ in range(2):
            self.enqueue("mail")
        for token in self.redis.claim("w1", 3):
            self.redis.finish("w1", token, "dead", category="timeout")
        waiting = self.enqueue("mail")
        self.assertEqual(self.redis.claim("w1", 1), [])
        rows = {r["setting"]: r for r in self.wherry("limit", "list", "--json").lines()}
        self.assertEqual(rows["breaker:type/mail"]["state"], "open")
        self.assertTrue(0 < rows["breaker:type/mail"]["state_ms"] <= 10000)
        self.assertRegex(self.wherry("limit", "list").out, r"breaker:type/mail .*open, probes in")
        stats = self.wherry("queue", "stats", "--json").json()
        self.assertRegex(stats["breakers"]["mail"], r"^open \d+$")
        self.assertEqual(stats["limits"], {"breaker:type/*": "50/2/30000/10000/1"})
        self.assertIn("breaker of type/mail: open", self.wherry("queue", "stats").out)
        said = self.wherry("job", "explain", waiting).out
        self.assertRegex(said, r"waits because the circuit breaker of type mail is open "
                               r"\(probes in .*breaker:type/\*=50%/2/30s/10s/1")

    def test_priorities_are_settings(self):
        self.enqueue("mail")
        self.wherry("limit", "set", "priority:queue=3", "priority:type/mail=8")
        first, second = self.enqueue("mail"), self.enqueue("pdf")
        for job, priority in ((first, 8), (second, 3), (self.enqueue("pdf", "--priority", "5"), 5)):
            self.assertEqual(self.wherry("job", "show", job, "--json").json()["priority"], priority)
        self.assertIn("from 0 to 9", self.wherry("limit", "set", "priority:queue=10", status=2).err)

    def test_resume_of_what_is_not_paused(self):
        self.enqueue("mail", "--org", "acme")
        self.wherry("queue", "pause", "--org", "acme")
        for words, said in ((("--org", "acmee"), "org acmee was not paused: nothing changed"),
                            (("--type", "mail"), "type mail was not paused: nothing changed"),
                            ((), "any:default was not paused: nothing changed")):
            done = self.wherry("queue", "resume", *words, "--json")
            self.assertEqual(done.json()["result"], "not_paused")
            self.assertIn(said, self.wherry("queue", "resume", *words).err)
        self.assertEqual(self.limits(), {"pause:org/acme": "1"})
        done = self.wherry("queue", "resume", "--org", "acme", "--json")
        self.assertEqual(done.json()["result"], "resumed")

    def test_pause_of_an_org_and_a_type(self):
        self.enqueue("mail", "--org", "acme")
        self.enqueue("pdf", "--org", "globex")
        self.redis.heartbeat("w1")
        done = self.wherry("queue", "pause", "any:default", "--org", "acme", "--json")
        self.assertEqual(done.json(),
                         {"partition": "any:default", "org": "acme", "result": "paused"})
        self.wherry("queue", "pause", "--type", "pdf")
        self.assertEqual(self.limits(), {"pause:org/acme": "1", "pause:type/pdf": "1"})
        self.assertRegex(self.wherry("org", "list").out, r"acme +1 +0 +1 +paused")
        self.assertEqual(self.redis.claim("w1", 10), [])
        self.wherry("queue", "resume", "--type", "pdf")
        self.assertEqual(len(self.redis.claim("w1", 10)), 1)
        self.wherry("queue", "resume", "--org", "acme")
        self.assertEqual(len(self.redis.claim("w1", 10)), 1)
        self.wherry("queue", "pause", "--org", "a", "--type", "b", status=2)
        self.wherry("queue", "pause", "eu:nowhere", "--org", "a", status=3)

    def test_order(self):
        self.enqueue("t", "first", "--expires", "1h")
        self.wherry("queue", "set", "any:default", "order=deadline")
        self.assertEqual(self.redis.call("HGET", "wh:{any:default}:ctl", "order"), b"deadline")
        done = self.wherry("queue", "set", "order=random", status=2)
        self.assertIn("order=arrival or order=deadline", done.err)


    def test_names_with_a_typing_error(self):
        """They are no errors, since a setting may come before the first job; but it is said."""
        self.enqueue("mail", "--org", "acme")
        self.redis.heartbeat("w1", info='{"types":["mail","invoice"]}')
        hint = "no job of an org acmee waits or runs in any:default; did you mean acme?"
        self.assertIn(hint, self.wherry("limit", "set", "active:org/acmee=5").err)
        self.assertIn(hint, self.wherry("queue", "pause", "--org", "acmee").err)
        self.assertIn(hint, self.wherry("org", "weight", "acmee", "2").err)
        hint = "no worker of any:default has a handler for type invioce; did you mean invoice?"
        self.assertIn(hint, self.wherry("limit", "set", "rate:org/acme/type/invioce=1/1s").err)
        self.assertIn(hint, self.wherry("queue", "pause", "--type", "invioce").err)
        for words in (("limit", "set", "active:org/acme=5", "rate:type/mail=1/1s"),
                      ("limit", "set", "active:org/*=5", "active:group=1", "active:org/zzz=1"),
                      ("queue", "pause", "--org", "initech"), ("org", "weight", "acme", "2")):
            self.assertNotIn("did you mean", self.wherry(*words).err)
        done = self.wherry("limit", "remove", "active:org/acmf")
        self.assertIn("active:org/acmf was not set; did you mean active:org/acme?", done.err)
        self.assertNotIn("was not set", self.wherry("limit", "remove", "active:org/acme").err)
        done = self.wherry("limit", "remove", "active:org/nope", "active:org/*")
        self.assertIn("active:org/nope was not set", done.err)
        self.assertNotIn("no active:org/nope any more", done.err)
        self.assertIn("no active:org/* any more", done.err)
        for words in (("limit", "set", "active:group=1", "active:group=2"),
                      ("limit", "remove", "active:group", "active:group")):
            self.assertIn("active:group is there twice", self.wherry(*words, status=2).err)
        done = self.wherry("queue", "resume", "--org", "globex")
        self.assertIn("pause:org/globex was not set", done.err)

    def test_a_pause_of_an_org_without_jobs_says_so(self):
        self.enqueue("mail", "--org", "acme")
        for org, is_new in (("acme", False), ("nosuch", True), ("zz", True)):
            done = self.wherry("queue", "pause", "--org", org)
            self.assertEqual(f"no job of org {org} waits or runs in any:default: the pause is for those "
                             "that come" in done.err, is_new, done.err)
            self.assertEqual(self.redis.call("HGET", P + ":limits", f"pause:org/{org}"), b"1")

    def test_a_pause_of_a_type_without_handler_says_so(self):
        self.enqueue("mail")
        told = "no worker of any:default has a handler for type "
        self.assertNotIn(told, self.wherry("queue", "pause", "--type", "mail").err)  # no worker at all
        self.redis.heartbeat("w1", info='{"types":["mail"]}')
        for kind, is_new in (("mail", False), ("nosuch", True), ("zz", True)):
            done = self.wherry("queue", "pause", "--type", kind)
            self.assertEqual(told + kind in done.err, is_new, done.err)
        self.redis.heartbeat("w2", info='{"types":["*"]}')
        self.assertNotIn(told, self.wherry("queue", "pause", "--type", "nosuch2").err)

    def test_the_partition_comes_first(self):
        for words in (("set", "jobs:org/*=5"), ("remove", "jobs:org/*")):
            done = self.wherry("limit", *words, "eu:default", status=2)
            self.assertIn(f"the partition comes first: wherry limit {words[0]} eu:default {words[1]}", done.err)

    def test_any_number_of_settings(self):
        """In calls of a hundred; one that is refused says how many there are."""
        names = [f"jobs:org/o{i}" for i in range(250)]
        self.wherry("limit", "set", *[f"{name}=5" for name in names])
        self.assertEqual(self.redis.call("HLEN", P + ":limits"), 250)
        self.wherry("limit", "remove", *names[:220])
        self.assertEqual(self.redis.call("HLEN", P + ":limits"), 30)
        done = self.wherry("limit", "set", *[f"{name}=5" for name in names], names[0] + "=6", status=2)
        self.assertIn("jobs:org/o0 is there twice", done.err)

    def test_caps_of_orgs(self):
        self.enqueue("t", "--org", "a")
        self.enqueue("t", "--org", "b")
        self.wherry("limit", "set", "active:org/*=9", "active:org/b=2")
        rows = {r["org"]: r["cap"] for r in self.wherry("org", "list", "--json").lines()}
        self.assertEqual(rows, {"a": 9, "b": 2})


class Explain(CliCase):
    def explain(self, job):
        return self.wherry("job", "explain", job, "--json").json()

    def test_what_holds_it(self):
        job = self.enqueue("mail", "--org", "acme")
        self.assertEqual(self.explain(job)["reason"], "no_worker")
        self.redis.heartbeat("w1")
        facts = self.explain(job)
        self.assertEqual((facts["reason"], facts["ahead_org"], facts["workers"]), ("ready", 0, 1))
        self.assertIn("waits for its turn: nothing holds it", facts["sentence"])
        self.wherry("limit", "set", "active:org/acme=1")
        self.assertEqual(len(self.redis.claim("w1", 5)), 1)
        self.assertEqual(self.explain(job)["status"], "in_progress")
        self.assertIn("runs on worker w1", self.explain(job)["sentence"])
        second = self.enqueue("mail", "--org", "acme")
        facts = self.explain(second)
        self.assertEqual((facts["reason"], facts["used"], facts["of"]), ("org_cap", 1, "1"))
        self.assertEqual(facts["holders"], [{"org": "acme", "active": 1}])
        lines = self.wherry("job", "explain", second).out.splitlines()
        self.assertEqual(lines[0], f"job {second} in any:default waits because org acme is at its "
                                   "cap of 1 (1 running): active:org/acme=1")
        self.assertIn("slots used by    acme 1", lines)

    def test_rate_delay_pause(self):
        self.redis.heartbeat("w1")
        self.enqueue("mail", "--org", "acme")
        self.wherry("limit", "set", "rate:org/*/type/mail=1/1h")
        self.assertEqual(len(self.redis.claim("w1", 5)), 1)
        facts = self.explain(self.enqueue("mail", "--org", "acme"))
        self.assertEqual(facts["reason"], "org_type_rate")
        self.assertRegex(facts["sentence"], r"^waits because type mail of org acme is at its rate "
                         r"limit \(next in .*\): rate:org/\*/type/mail=1/1h/1$")
        delayed = self.explain(self.enqueue("pdf", "--delay", "1h"))
        self.assertEqual(delayed["reason"], "delayed")
        self.assertRegex(delayed["sentence"], r"delayed \(runs in 59m|delayed \(runs in 1h00m")
        self.wherry("queue", "pause")
        paused = self.explain(self.enqueue("pdf"))
        self.assertEqual(paused["sentence"], "waits because the queue is paused")

    def test_backpressure_is_told_at_once(self):
        """As docs/producers.md says: no second call before the time that the refusal names."""
        self.wherry("limit", "set", "jobs:queue=2")
        lines = b'{"type": "mail"}\n'
        self.wherry("job", "enqueue", "--jsonl", stdin=lines * 2)
        self.redis.call("CONFIG", "RESETSTAT")
        keyed = ("--key", "k", "--unique", "queued", "--conflict", "replace")
        for words, stdin in ((("mail",), None), (("mail", *keyed), None), (("--jsonl",), lines)):
            with self.subTest(words=words):
                done = self.wherry("job", "enqueue", *words, stdin=stdin, status=75)
                self.assertRegex(done.err, r"try again in \d+ ms\)")
        stats = self.redis.call("INFO", "commandstats").decode()
        self.assertRegex(stats, r"cmdstat_fcall:calls=3,")

    def test_what_workers_say(self):
        job = self.enqueue("mail")
        for info, want in (({"state": "running", "slots": 4}, "waits for its turn"),
                           ({"state": "quiet", "slots": 4}, "waits because the one live worker is "
                                                            "quiet or about to end"),
                           ({"state": "running", "slots": 4, "backpressure": "memory"},
                            "waits because the one live worker claims nothing for now (memory)"),
                           ("nonsense", "waits for its turn")):
            self.redis.heartbeat("w1", "renew" if info != {"state": "running", "slots": 4} else
                                 "new", info=json.dumps(info))
            facts = self.explain(job)
            self.assertTrue(facts["sentence"].startswith(want), facts)
        self.redis.heartbeat("w1", "renew", info='{"state":"running","slots":1}')
        self.redis.claim("w1", 1)
        facts = self.explain(self.enqueue("mail"))
        self.assertTrue(facts["sentence"].startswith("waits for a slot: all 1 are in use"), facts)
        self.assertEqual((facts["reason"], facts["slots"], facts["slots_used"]), ("no_slot", 1, 1))

    def test_one_that_does_not_wait(self):
        job = self.kill_jobs(1)[0]
        self.assertEqual(self.explain(job)["sentence"], "does not wait: it is failed")
        self.wherry("job", "explain", UUID, status=3)
        self.wherry("job", "explain", "nonsense", status=2)


class Enqueue(CliCase):
    def test_group(self):
        job = self.enqueue("t", "--group", "user-7")
        self.assertEqual(self.wherry("job", "show", job, "--json").json()["group"], "user-7")
        self.redis.heartbeat("w1")
        self.wherry("limit", "set", "active:group=1")
        self.enqueue("t", "--group", "user-7")
        self.assertEqual(len(self.redis.claim("w1", 5)), 1)

    def test_conflicts(self):
        first = self.enqueue("t", "one", "--key", "k")
        done = self.wherry("job", "enqueue", "t", "two", "--key", "k", "--conflict", "replace",
                           "--json")
        self.assertEqual(done.json(), {"id": first, "result": "replaced",
                                       "partition": "any:default"})
        self.assertEqual(self.wherry("job", "show", first, "--json").json()["payload"], "two")
        done = self.wherry("job", "enqueue", "t", "--key", "k", "--conflict", "extend")
        self.assertIn("is extended", done.err)
        self.assertEqual(done.out.strip(), first)
        last = self.enqueue("t", "--key", "k", "--conflict", "keep-last")
        self.assertNotEqual(last, first)
        self.assertEqual(self.wherry("job", "show", first, "--json").json()["status"],
                         "cancelled")
        self.assertEqual(self.enqueue("t", "--key", "k"), last)
        fresh = self.wherry("job", "enqueue", "t", "--key", "other", "--conflict", "replace",
                            "--json").json()
        self.assertEqual(fresh["result"], "created")

    def test_unique_until_queued(self):
        first = self.enqueue("t", "--key", "k", "--unique", "queued")
        self.assertEqual(self.enqueue("t", "--key", "k"), first)
        self.redis.heartbeat("w1")
        self.redis.claim("w1", 1)
        self.assertNotEqual(self.enqueue("t", "--key", "k"), first)
        self.wherry("job", "enqueue", "t", "--unique", "done", status=2)

    def test_lines(self):
        rows = [{"type": "t", "group": "g", "retry_for_ms": 60000},
                {"type": "t", "key": "k", "unique": "done", "conflict": "keep_last"}]
        self.wherry("job", "enqueue", "--jsonl",
                    stdin="".join(json.dumps(r) + "\n" for r in rows).encode())
        shown = self.wherry("job", "list", "--json", "--full").lines()
        self.assertEqual({j.get("group") for j in shown}, {"g", None})
        for field, value in (("unique", "ever"), ("conflict", 1), ("retry_for_ms", -1)):
            line = json.dumps({"type": "t", "key": "k", field: value})
            done = self.wherry("job", "enqueue", "--jsonl", stdin=line.encode(), status=65)
            self.assertIn(f": {field} must be", done.err)

    def test_a_full_queue(self):
        self.enqueue("t")
        self.wherry("limit", "set", "jobs:queue=1")
        self.assertIn("jobs:queue=1 (1 waiting)", self.wherry("queue", "stats").out)
        done = self.wherry("job", "enqueue", "t", status=75)
        self.assertIn("full", done.err)
        self.wherry("limit", "set", "bytes:queue=100")
        done = self.wherry("job", "enqueue", "t", "x" * 200, status=65)
        self.assertIn(" bytes, the quota of the queue (bytes:queue) is 100: it never fits; make it "
                      "smaller or raise the quota", done.err)


if __name__ == "__main__":
    main()
