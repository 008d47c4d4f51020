#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`wherry dlq …` against a real Redis: lists, filters, dry runs, limits, rates, interruption."""
import os
import re
import signal
import subprocess

from cli_case import DEADLINE_S, P, WHERRY, CliCase, main, wait_for


class Dlq(CliCase):
    def dead(self):
        return self.redis.call("XLEN", P + ":dlq")

    def test_what_is_tried_again_is_told(self):
        self.kill_jobs(1)
        self.redis.call("REPLICAOF", "127.0.0.1", 1)
        self.addCleanup(self.redis.call, "REPLICAOF", "NO", "ONE")
        with subprocess.Popen([WHERRY, "dlq", "replay", "--all"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=self.env()) as process:
            said = process.stderr.readline().decode()
            self.redis.call("REPLICAOF", "NO", "ONE")
            self.assertEqual(process.wait(DEADLINE_S), 0)
        self.assertIn("trying again for some seconds", said)
        self.assertEqual(self.dead(), 0)

    def test_list_and_show(self):
        self.assertIn("no dead job in any:default", self.wherry("dlq", "list").err)
        self.assertIn("no such dead job in any:default",
                      self.wherry("dlq", "list", "--org", "acme").err)
        self.assertIn("neither an entry, like 1700000000000-0, nor a job id",
                      self.wherry("dlq", "show", "foo", status=2).err)
        ids = self.kill_jobs(3, "--org", "acme")
        self.kill_jobs(2, category="invalid", message="bad \u20ac")
        rows = self.wherry("dlq", "list", "--json").lines()
        self.assertEqual([r["id"] for r in rows[:3]], ids)
        self.assertEqual(rows[0]["error_category"], "timeout")
        table = self.wherry("dlq", "list", "--category", "invalid").out.splitlines()
        self.assertEqual(len(table), 3)
        self.assertTrue(table[1].endswith("bad \u20ac"))
        self.assertEqual(table[0].index("ERROR"), table[1].rindex("bad"))
        self.assertEqual(len(self.wherry("dlq", "list", "--org", "acme", "--json").lines()), 3)
        first = self.wherry("dlq", "list", "--limit", "2", "--json")
        cursor = re.search(r"more: --cursor (\S+)", first.err).group(1)
        rest = self.wherry("dlq", "list", "--cursor", cursor, "--json").lines()
        self.assertEqual([r["id"] for r in first.lines() + rest], [r["id"] for r in rows])
        by_entry = self.wherry("dlq", "show", rows[1]["dlq_entry"], "--json").json()
        by_id = self.wherry("dlq", "show", ids[1], "--json").json()
        self.assertEqual((by_entry["id"], by_entry["payload"]), (ids[1], "payload 1"))
        self.assertEqual(by_id["dlq_entry"], rows[1]["dlq_entry"])
        self.assertIn("took too long", self.wherry("dlq", "show", ids[0]).out)
        self.wherry("dlq", "show", "1-1", status=3)
        self.wherry("dlq", "show", self.enqueue("t"), status=4)

    def test_strange_entries_are_told(self):
        self.kill_jobs(1)
        self.redis.call("XADD", P + ":dlq", "*", "id", "x", "attempts", "many")
        done = self.wherry("dlq", "list", "--json")
        self.assertEqual(len(done.lines()), 1)
        self.assertIn("none that Wherry wrote", done.err)

    def test_replay(self):
        self.kill_jobs(3, "--org", "acme")
        self.kill_jobs(2, "--org", "other", category="crash")
        dry = self.wherry("dlq", "replay", "--all", "--org", "acme", "--dry-run", "--json").json()
        self.assertEqual((dry["replayed"], dry["dry_run"], dry["cursor"]), (3, True, None))
        self.assertEqual(self.dead(), 5)
        one = self.wherry("dlq", "replay", "--limit", "1")
        self.assertEqual(one.out, "1 dead job replayed in any:default\n")
        cursor = re.search(r"more: --cursor (\S+)", one.err).group(1)
        self.wherry("dlq", "replay", "--all", "--cursor", cursor, "--category", "timeout")
        self.assertEqual(self.dead(), 2)
        self.assertEqual(len(self.wherry("job", "list", "--status", "pending", "--json")
                             .lines()), 3)
        self.assertIn("no problem", self.wherry("audit").out)

    def test_one_whose_key_is_taken_stays(self):
        unique = ("--key", "k", "--unique", "done")
        first = self.kill_jobs(1, *unique)[0]
        self.enqueue("t", *unique)
        dry = self.wherry("dlq", "replay", "--all", "--dry-run", "--json").json()
        self.assertEqual((dry["replayed"], dry["key_taken"]), (0, 1))
        told = self.wherry("dlq", "replay", "--all").out
        self.assertEqual(told, "0 dead jobs replayed in any:default\n"
                         "1 stayed: another job has its idempotency key now\n")
        self.assertIn("idempotency key", self.wherry("job", "retry", first, status=4).err)
        self.assertEqual(self.dead(), 1)

    def test_replay_ends_although_jobs_die_again(self):
        self.kill_jobs(3)
        before = self.wherry("queue", "stats", "--json").json()["replayed"]
        self.wherry("dlq", "replay", "--all")
        for token in self.redis.claim("w1", 3):
            self.redis.finish("w1", token, "dead", category="error", message="again")
        self.assertEqual(self.dead(), 3)
        self.assertEqual(self.wherry("queue", "stats", "--json").json()["replayed"] - before, 3)

    def test_interrupted_replay_goes_on(self):
        self.kill_jobs(40)
        process = subprocess.Popen([WHERRY, "dlq", "replay", "--all", "--rate", "10/s"],
                                   env=self.env(), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        wait_for("some are replayed", lambda: self.dead() < 38)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 75, err)
        self.assertGreater(self.dead(), 0)
        moved = int(re.match(r"(\d+) dead jobs replayed", out).group(1))
        self.assertEqual(moved + self.dead(), 40)
        cursor = re.search(r"go on with --cursor (\S+)", err).group(1)
        self.wherry("dlq", "replay", "--all", "--cursor", cursor)
        self.assertEqual(self.dead(), 0)

    def test_progress_is_of_what_was_looked_at(self):
        self.kill_jobs(30)
        self.kill_jobs(2, category="crash")
        # All were looked at in one call, though the limit is far from reached.
        bar = self.on_terminal("dlq", "replay", "--category", "crash", "--limit", "20", "--dry-run")
        self.assertIn("100%", self.on_terminal("dlq", "replay", "--category", "crash", "--limit",
                                               "1000", "--dry-run"))
        self.assertIn("62% 0", bar)  # 20 of 32 after the first call
        entry = self.wherry("dlq", "list", "--limit", "1", "--json").json()["dlq_entry"]
        self.assertNotIn("%", self.on_terminal("dlq", "replay", "--all", "--dry-run", "--cursor",
                                               entry))

    def test_where_the_dead_are(self):
        self.kill_jobs(2)
        self.wherry("dlq", "purge", "--all", "--yes")
        self.enqueue("t.dead", "--region", "eu")
        self.redis.heartbeat("w2", partition="wh:{eu:default}")
        token = self.redis.claim("w2", 1, partition="wh:{eu:default}")[0]
        self.redis.finish("w2", token, "dead", partition="wh:{eu:default}", category="error")
        done = self.wherry("dlq", "list", "--json")
        self.assertEqual(done.out, "")
        self.assertIn("there are dead jobs in eu:default (1)\n", done.err)
        self.assertNotIn("there are", self.wherry("dlq", "list", "any:default").err)
        self.assertEqual(self.wherry("dlq", "list", "-q").err, "")

    def test_purge(self):
        self.kill_jobs(4)
        done = self.wherry("dlq", "purge", "--all", status=2)
        self.assertIn("--yes", done.err)
        self.wherry("dlq", "purge", "--all", "--dry-run")
        self.assertEqual(self.dead(), 4)
        self.wherry("dlq", "purge", "--limit", "1", "--yes")
        self.assertEqual(self.dead(), 3)
        for answer, status, left in ((b"y\n", 1, 3), (b"any:default\n", 0, 0)):
            ours, theirs = self.terminal()
            process = subprocess.Popen([WHERRY, "dlq", "purge", "--all"], stdin=theirs,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       env=self.env())
            os.close(theirs)
            os.write(ours, answer)
            _, err = process.communicate(timeout=DEADLINE_S)
            os.close(ours)
            self.assertEqual((process.returncode, self.dead()), (status, left), err)
            self.assertIn(b"type any:default to go on", err)


if __name__ == "__main__":
    main()
