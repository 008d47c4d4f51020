#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/producers.md, run as they stand against a private Redis.

Only the address differs: `redis-cli` is a wrapper that adds the socket, the URL in the
Python example is replaced, the Node example reads REDIS_SOCK.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

from docs import BIN, DocsTest, blocks, need, wait_for

PAGE = "docs/producers.md"
PARTITION = "wh:{eu:default}"
URL_OF_THE_PAGE = "redis://127.0.0.1:6379"
RUN = ("full-orgs", "redis-cli", "redis-cli-register", "redis-cli-file", "redis-cli-unique", "python", "node")  # every name has a test below
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"


def python_with_redis():
    """An interpreter that has the module; Debian's may not be the first in PATH."""
    for python in (sys.executable, "/usr/bin/python3"):
        if os.access(python, os.X_OK) and subprocess.run(
                [python, "-c", "import redis"], capture_output=True, check=False).returncode == 0:
            return python
    return None


class Producers(DocsTest):
    def setUp(self):
        super().setUp()
        self.examples = {name: text for name, _, text in blocks(PAGE) if name}
        loaded = subprocess.run([os.path.join(BIN, "wherry"), "functions", "load"],
                                env={**os.environ, "REDIS_URL": self.fleet.url},
                                capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(loaded.returncode, 0, loaded.stderr)
        self.add_wrapper()

    def add_wrapper(self):
        folder = os.path.join(self.fleet.folder, "path")
        os.mkdir(folder)
        self.write("path/redis-cli", "#!/bin/sh\nexec {} -s '{}' \"$@\"\n".format(
            shutil.which("redis-cli"), self.fleet.socket), 0o755)
        self.env = {**os.environ, "PATH": folder + os.pathsep + os.environ["PATH"],
                    "REDIS_SOCK": self.fleet.socket}

    def example(self, name):
        self.assertIn(name, self.examples, f"{PAGE} has no `<!-- example: {name} -->`")
        return self.examples[name]

    def run_text(self, interpreter, text):
        """stdout; standard error must be empty and the status 0."""
        done = subprocess.run([*interpreter, text], cwd=self.fleet.folder, env=self.env,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def job_of(self, output):
        match = re.search(UUID, output)
        self.assertIsNotNone(match, f"no job id in {output!r}")
        return self.fleet.job(match.group(0))

    def kill_one(self):
        """A dead job with everything a dead job can have; its id."""
        fcall = self.fleet.fcall
        job_id = fcall("wh1_enqueue", "mail.send", '{"to":"them"}', "ORG", "south",
                       "ENTITY", "invoice", "4711")[0].decode()
        fcall("wh1_heartbeat", "hand.1", 15000, "new", "{}")
        token = fcall("wh1_cycle", "hand.1", 1, 0)[4][0]
        done = fcall("wh1_cycle", "hand.1", 0, 0, token, "dead", 0, "not_found",
                     "no such mailbox", '{"host":"mx"}', "")
        self.assertEqual(done[3], [], "the finish was fenced")
        return job_id

    def test_every_example_is_run(self):
        named = [name for name, _, _ in blocks(PAGE) if name]
        self.assertEqual(sorted(named), sorted(RUN))
        for name, language, text in blocks(PAGE):
            if language:
                self.assertIsNotNone(name, f"this example has no name, so nobody runs it:\n{text}")

    def test_lines_of_a_full_org(self):
        """What is left to hand in again, in its order."""
        self.env.update(REDIS_URL=self.fleet.url, PATH=BIN + os.pathsep + self.env["PATH"])
        self.run_text(["bash", "-ec"], "wherry limit set -q jobs:org/acme=2")
        orgs = ["acme" if i % 3 else "beta" for i in range(30)]
        lines = [f'{{"type": "a", "org": "{org}", "payload": {i}}}\n' for i, org in enumerate(orgs)]
        self.write("jobs.jsonl", "\n" + "".join(lines))
        self.run_text(["bash", "-ec"], self.example("full-orgs"))
        with open(os.path.join(self.fleet.folder, "again.jsonl"), encoding="utf-8") as file:
            self.assertEqual(file.readlines(), [line for line, org in zip(lines, orgs) if org == "acme"][2:])

    def test_redis_cli(self):
        dead = self.kill_one()
        output = self.run_text(["bash", "-ec"], self.example("redis-cli"))
        record = self.job_of(output)
        self.assertEqual((record["type"], record["org"], record["payload"], record["priority"],
                          record["status"]),
                         ("mail.send", "north", '{"to":"you"}', "7", "pending"))
        self.assertIn("created", output.splitlines())
        self.check_dead_fields(output, dead)
        stats = self.fleet.stats()
        self.assertEqual((stats["pending"], stats["dead"], stats["enqueued"]), (1, 1, 2))
        lines = output.splitlines()
        self.assertEqual(lines[lines.index("pending") + 1], "1")

    def check_dead_fields(self, output, dead):
        """Everything that "Reading the dead-letter queue" promises stands there as text."""
        lines = output.splitlines()
        fields = {name: lines[lines.index(name) + 1] for name in (
            "id", "type", "org", "error_category", "error_message", "error_context", "attempts",
            "failed_at", "enqueued_at", "started_at", "history", "payload")}
        expected = {"id": dead, "type": "mail.send", "org": "south",
                    "error_category": "not_found", "error_message": "no such mailbox",
                    "error_context": '{"host":"mx"}', "attempts": "1",
                    "payload": '{"to":"them"}'}
        self.assertEqual({k: fields[k] for k in expected}, expected)
        for name in ("failed_at", "enqueued_at", "started_at"):
            self.assertRegex(fields[name], f"^{ISO}$", name)
        [[at, category, message]] = json.loads(fields["history"])
        self.assertRegex(at, f"^{ISO}$")
        self.assertEqual((category, message), ("not_found", "no such mailbox"))

    def test_redis_cli_registers(self):
        self.run_text(["bash", "-ec"], self.example("redis-cli-register"))
        self.assertEqual(self.fleet.redis("FCALL_RO", "wh1_partitions", 1, "wh:{registry}"),
                         [b"wh:{us:bare}"])

    def test_redis_cli_with_a_file(self):
        payload = "two lines\nand \u00fcmlauts"
        self.write("payload.json", payload)
        record = self.job_of(self.run_text(["bash", "-ec"], self.example("redis-cli-file")))
        self.assertEqual((record["type"], record["payload"]), ("mail.send", payload))
        self.assertEqual(self.fleet.stats()["pending"], 1)

    def test_redis_cli_with_a_key(self):
        output = self.run_text(["bash", "-ec"], self.example("redis-cli-unique"))
        first, created, second, extended = output.split()
        self.assertEqual((created, extended, first), ("created", "extended", second))
        record = self.job_of(output)
        self.assertEqual((record["status"], record["group"]), ("scheduled", "docs"))

    def test_python(self):
        python = python_with_redis()
        if python is None:
            if os.environ.get("CI") == "true":
                self.fail("python3-redis is missing (scripts/setup --tests installs it)")
            self.skipTest("python3-redis is not installed (scripts/setup --tests installs it)")
        dead = self.kill_one()
        text = self.example("python")
        self.assertEqual(text.count(URL_OF_THE_PAGE), 1)
        text = text.replace(URL_OF_THE_PAGE, self.fleet.url)
        first = self.run_text([python, "-c"], text)
        record = self.job_of(first)
        self.assertEqual((record["type"], record["org"], record["payload"]),
                         ("mail.send", "north", '{"to": "you"}'))
        self.assertIn(" created\n", first)
        self.assertIn(f"{dead.encode()} {b'not_found'} {b'no such mailbox'}\n", first)
        again = self.run_text([python, "-c"], text)
        self.assertEqual(again.splitlines()[0], f"{record['id']} existing")
        self.assertEqual(self.fleet.stats()["enqueued"], 2)

    def test_node(self):
        node = shutil.which("node")
        if node is None:
            if os.environ.get("CI") == "true":
                self.fail("node is missing (scripts/setup --tests installs it)")
            self.skipTest("node is not installed")
        output = self.run_text([node, "-e"], self.example("node"))
        self.assertIn("created", output)
        record = self.job_of(output)
        self.assertEqual((record["type"], record["org"], record["payload"]),
                         ("mail.send", "north", '{"to":"you"}'))
        wait_for(lambda: self.fleet.stats()["pending"] == 1, "the job to be counted")


if __name__ == "__main__":
    need("wherry")
    unittest.main(verbosity=2)
