#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`wherry job enqueue --jsonl` against a real Redis: many jobs from lines of stdin, and where to go on."""
import re
import signal
import subprocess

from cli_case import DEADLINE_S, P, WHERRY, CliCase, main, wait_for


class Lines(CliCase):
    def test_fields_and_defaults(self):
        lines = (b'{"type": "a", "payload": {"x": [1, 2]}, "priority": 9}\n\n'
                 b'{"payload": "text", "delay_ms": 60000}\n'
                 b'{"payload_base64": "AAH/", "org": "o2"}')
        done = self.wherry("job", "enqueue", "dflt", "--org", "o1", "--jsonl", "--json",
                           stdin=lines).json()
        self.assertEqual((done["created"], done["existing"]), (3, 0))
        jobs = {j["type"] + j["org"]: j for j in self.wherry("job", "list", "--json").lines()}
        self.assertEqual(jobs["ao1"]["priority"], 9)
        shown = {k: self.wherry("job", "show", j["id"], "--json").json() for k, j in jobs.items()}
        self.assertEqual(shown["ao1"]["payload"], '{"x":[1,2]}')
        self.assertEqual(shown["dflto1"]["status"], "scheduled")
        self.assertEqual(shown["dflto2"]["payload_base64"], "AAH/")

    def test_a_partition_in_place_of_the_type(self):
        """Lines have types of their own, so nothing else would tell; nothing goes elsewhere."""
        for more in (["--jsonl"], ["x"]):
            for operand, text in (("any:q2", "is a partition, no type; write it as --region any "
                                             "--queue q2"),
                                  ("any:", "type \"any:\" has a character outside"),
                                  ("a b", "type \"a b\" has a character outside")):
                with self.subTest(operand=operand, more=more):
                    done = self.wherry("job", "enqueue", operand, *more, stdin=b'{"type": "a"}\n',
                                       status=2)
                    self.assertIn(text, done.err)
        self.assertEqual(self.wherry("queue", "list", "--json").lines(), [])

    def test_stops_at_a_bad_line(self):
        good = b'{"type": "a"}\n'
        for bad, text in [(b'{"ttype": "a"}', 'did you mean "type"'), (b"[1]", "no JSON object"),
                          (b'{"type": "a", "type": "b"}', "duplicate"),
                          (b'{"type": 1}', "must be a string"), (b'{"type": "a b"}', "outside"),
                          (b'{"type": "a", "delay_ms": -1}', "column 27: delay_ms must be a whole number from 0"),
                          (b'{"type": "a", "expires_ms": 0}', "leave it out for what --expires says, or never"),
                          (b'{"type": "a", "retry_for_ms": 0}', "leave it out for what --retry-for says, or no bound"),
                          (b'{"type": "a", "timeout_ms": 0}', "column 29: timeout_ms must be a whole number from 1"),
                          (b'{"type": "a", "max_attempts": 0}', "from 1 to 1000; leave it out"),
                          (b'{"type": "a", "payload_base64": "A"}', "no base64"), (b"{}", "missing"),
                          (b'{"type": "a", "entity_type": "x"}', "without entity_id"),
                          (b'{"type": "a", "entity_id": "x"}', "without entity_type"),
                          (b'{"type": "a", "payload": "\\u0000"}', "payload_base64"),
                          (b'{"type": "a", "traceparent": "00-ab-cd-01"}', "no W3C")]:
            self.redis.call("FLUSHALL")
            with self.subTest(bad=bad):
                done = self.wherry("job", "enqueue", "--jsonl", stdin=good * 2 + bad + b"\n" + good,
                                   status=65)
                self.assertIn("line 3: ", done.err)
                self.assertIn(text, done.err)
                self.assertIn("go on at line 3", done.err)
                self.assertEqual(len(self.wherry("job", "list", "--json").lines()), 2)

    def test_names_the_line_that_only_redis_refuses(self):
        self.enqueue("other", "--key", "k", "--unique", "queued", "--delay", "1h")
        bad = b'{"type": "a", "key": "k", "unique": "queued", "conflict": "replace"}\n'
        good = b'\n{"type": "a"}\n'  # of two lines, one of them blank
        for before, behind in ((0, 0), (0, 2), (1, 1), (249, 1), (250, 700), (499, 0), (613, 1)):
            with self.subTest(before=before, behind=behind):
                jobs = self.redis.call("HLEN", P + ":jobs")
                done = self.wherry("job", "enqueue", "--jsonl", status=65,
                                   stdin=good * before + bad + good * behind)
                line = 2 * before + 1
                self.assertRegex(done.err, rf"line {line}: .*the same type")
                self.assertIn(f"go on at line {line}", done.err)
                self.assertEqual(self.redis.call("HLEN", P + ":jobs") - jobs, before)

    def test_too_big_together_goes_in_parts(self):
        self.wherry("limit", "set", "jobs:queue=5")
        done = self.wherry("job", "enqueue", "--jsonl", stdin=b'{"type": "a"}\n' * 6, status=75)
        self.assertIn("try again in", done.err)
        self.assertIn("the jobs up to line 5 are enqueued: go on at line 6", done.err)
        self.assertEqual(self.redis.call("HLEN", P + ":jobs"), 5)

    def test_an_org_at_its_quota_keeps_out_its_own_jobs_only(self):
        self.wherry("limit", "set", "jobs:org/acme=7")
        orgs = ["acme" if i % 100 == 5 else f"o{i % 37}" for i in range(2000)]
        lines = "".join(f'{{"type": "a", "org": "{org}", "payload": {i}}}\n'
                        for i, org in enumerate(orgs)).encode()
        done = self.wherry("job", "enqueue", "--jsonl", "--json", stdin=lines, status=75)
        self.assertIn("org acme: the org is full: jobs that wait: 7, more: 1, quota: 7 "
                      "(jobs:org/...)", done.err)
        refused = [int(n) for n in re.findall(r"line (\d+): not enqueued: org acme is full", done.err)]
        self.assertEqual(refused, list(range(706, 2000, 100)))
        self.assertIn("13 lines are not enqueued, of 1 org at their quota", done.err)
        shown = done.json()
        self.assertEqual((shown["created"], shown["refused"]), (1987, 13))
        self.assertEqual(self.redis.call("HLEN", P + ":jobs"), 1987)
        # Its first seven are there, in order.
        jobs = self.wherry("job", "list", "--org", "acme", "--json", "--full").lines()
        self.assertEqual([int(j["payload"]) for j in jobs], [5 + 100 * i for i in range(7)])
        # Each refusal is a call: by halves up to the first that finds no room, for one batch.
        calls = self.redis.call("INFO", "commandstats").decode()
        self.assertLess(int(re.search(r"cmdstat_fcall:calls=(\d+)", calls).group(1)), 60)

    def test_what_has_room_goes_in(self):
        for n, *settings in ((6, "jobs:queue=6"), (9, "jobs:org/default=9", "jobs:queue=100")):
            self.wherry("limit", "set", *settings)
            done = self.wherry("job", "enqueue", "t", "--count", "12", status=75)
            self.assertIn(f"jobs that wait: {n}, more: 1, quota: {n}", done.err)
            self.assertEqual(self.redis.call("HLEN", P + ":jobs"), n)

    def test_many_orgs_at_their_quotas_and_a_bad_line(self):
        self.wherry("limit", "set", "jobs:org/*=1", "jobs:org/big=1000")
        line = '{{"type": "a", "org": "{}"}}\n'.format
        lines = "".join(line(f"o{i}") + line("big") for i in range(60)) * 2 + "x\n"
        done = self.wherry("job", "enqueue", "--jsonl", stdin=lines.encode(), status=65)
        self.assertEqual(done.err.count("not enqueued: org o"), 60)
        self.assertIn("the jobs up to line 240 are enqueued, but for the 60 named above whose orgs are "
                      "full: go on at line 241", done.err)
        self.assertEqual(self.redis.call("HLEN", P + ":jobs"), 180)

    def test_one_job_names_its_org(self):
        self.wherry("limit", "set", "jobs:org/*=1", "bytes:org/b=30")
        self.enqueue("a", "x", "--org", "acme")
        done = self.wherry("job", "enqueue", "a", "--org", "acme", status=75)
        self.assertIn("org acme: the org is full: jobs that wait: 1, ", done.err)
        done = self.wherry("job", "enqueue", "a", "x" * 40, "--org", "b", status=65)
        self.assertIn("org b: the job has ", done.err)

    def errors(self, word):
        found = re.search(rf"errorstat_{word}:count=(\d+)", self.redis.call("INFO", "errorstats").decode())
        return int(found.group(1)) if found else 0

    def test_a_full_redis_ends_it_at_once(self):
        """One refused call, no second try; and how many jobs are there."""
        self.enqueue("a")
        self.addCleanup(self.redis.call, "CONFIG", "SET", "maxmemory", 0)
        for flags, text in ((["--jsonl"], "nothing is enqueued: go on at line 1"),
                            (["a", "--count", "20"], "stopped; 0 of 20 jobs are enqueued"),
                            (["a", "--key", "k", "--conflict", "replace"], "OOM")):
            with self.subTest(flags=flags):
                self.redis.call("CONFIG", "SET", "maxmemory", 1)
                before = self.errors("OOM")
                done = self.wherry("job", "enqueue", *flags, stdin=b'{"type": "a"}\n' * 20, status=75)
                self.assertIn("OOM", done.err)
                self.assertIn(text, done.err)
                self.assertEqual(self.errors("OOM") - before, 1)
        self.assertEqual(self.redis.call("HLEN", P + ":jobs"), 1)

    def test_what_is_tried_again_is_told(self):
        self.enqueue("a")
        self.redis.call("REPLICAOF", "127.0.0.1", 1)
        self.addCleanup(self.redis.call, "REPLICAOF", "NO", "ONE")
        process = subprocess.Popen([WHERRY, "job", "enqueue", "--jsonl"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env())
        process.stdin.write(b'{"type": "a"}\n')
        process.stdin.close()
        said = process.stderr.readline().decode()
        self.redis.call("REPLICAOF", "NO", "ONE")
        self.assertEqual(process.wait(DEADLINE_S), 0)
        self.assertIn("trying again for some seconds", said)
        process.stdout.close()
        process.stderr.close()

    def test_interrupted(self):
        process = subprocess.Popen([WHERRY, "job", "enqueue", "--jsonl"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env())
        process.stdin.write(b'{"type": "a"}\n' * 700)
        process.stdin.flush()
        # The first 500 are there: the process now reads on.
        wait_for("a batch", lambda: self.redis.call("HLEN", P + ":jobs") == 500)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(DEADLINE_S), 75)
        last = int(re.search(r"go on at line (\d+)", process.stderr.read().decode()).group(1))
        self.assertEqual(self.redis.call("HLEN", P + ":jobs"), last - 1)
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


if __name__ == "__main__":
    main()
