#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The README's first job, typed in as it stands: it works, and it leaves nothing running.

What differs from a reader's shell: an empty HOME and working folder, `build` points at the
build under test, scripts/setup finds it built, and the state goes to a folder of the test.
"""
import os
import re
import subprocess
import tempfile
import time
import unittest

from docs import BIN, BUILD, SOURCE, Fleet, block_after, need, page

HEADING = "A first job of your own, in five minutes"
STATE = "/tmp/wherry-dev"
DEADLINE_S = 90
# Listeners on ports of their own choice, so that the test disturbs nobody.
ENVIRONMENT = {"WHERRY_METRICS_LISTEN": "127.0.0.1:0", "CI": ""}


class Readme(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="wh-readme-")
        self.addCleanup(folder.cleanup)
        self.addCleanup(self.check_nothing_left)
        self.folder = folder.name
        self.state = os.path.join(self.folder, "dev")
        os.mkdir(os.path.join(self.folder, "scripts"))
        os.symlink(BUILD, os.path.join(self.folder, "build"))
        setup = os.path.join(self.folder, "scripts", "setup")
        with open(setup, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\ntest -x build/bin/wherry\n")
        os.chmod(setup, 0o755)

    def check_nothing_left(self):
        left = Fleet.leftovers()
        self.assertFalse(left, f"still running after the README's commands: {left}")

    def run_commands(self, commands):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("WHERRY_", "XDG_")) and k not in ("REDIS_URL", "LOG_LEVEL")}
        env.update(ENVIRONMENT, HOME=self.folder)
        log = os.path.join(self.folder, "output")
        with open(log, "w", encoding="utf-8") as out:
            shell = subprocess.Popen(["bash", "-eu"], cwd=self.folder, env=env, stdin=subprocess.PIPE,
                                     stdout=out, stderr=subprocess.STDOUT, text=True)
            shell.stdin.write(commands)
            shell.stdin.close()
            end = time.monotonic() + DEADLINE_S
            try:
                shell.wait(end - time.monotonic())
            except subprocess.TimeoutExpired:
                shell.kill()
                shell.wait()
        with open(log, encoding="utf-8", errors="replace") as file:
            output = file.read()
        self.assertEqual(shell.returncode, 0, output)
        return output

    def test_first_job(self):
        commands = block_after("README.md", HEADING)
        self.assertGreaterEqual(commands.count(STATE), 2)
        output = self.run_commands(commands.replace(STATE, self.state))
        self.assertIn(f"REDIS_URL=unix://{self.state}/redis.sock", output)
        shown = output[output.rindex("completed"):]
        self.assertIn("hello, world", shown)
        self.assertFalse(os.path.exists(os.path.join(self.state, "redis.sock")),
                         "Redis was not shut down in order")

    def test_what_you_know(self):
        """Each command of the table works as it stands; what it leaves out is in capitals or an ellipsis."""
        text = page("README.md").split("## What you know from", 1)[1].split("\n## ", 1)[0]
        rows = "\n".join(line for line in text.splitlines() if line.startswith("|"))
        commands = [c for c in re.findall(r"`(wherry [^`]+)`", rows) if not re.search(r"…| [A-Z]+$", c)]
        self.assertGreater(len(commands), 8)
        output = self.run_commands("\n".join([*self.dev(), *commands]) + "\n")
        self.assertIn("fires next at", output)

    def test_debounce_works_again(self):
        """A debounce whose key is kept for a day runs once in it: wherever it is shown, the key is `queued`."""
        found = 0
        for folder, _, files in os.walk(os.path.join(SOURCE, "docs")):
            for name in [os.path.join(folder, f) for f in files if f.endswith(".md")]:
                found += self.check_debounce(os.path.relpath(name, SOURCE))
        self.assertGreater(found + self.check_debounce("README.md"), 1)

    def check_debounce(self, name):
        shown = re.findall(r"^.*redis-cli.* CONFLICT extend .*$|`wherry [^`]*--conflict extend[^`]*`", page(name), re.M)
        for command in shown:
            self.assertRegex(command, r"UNIQUE queued|--unique queued", name)
        return len(shown)

    def dev(self):
        return [f"export PATH={BIN}:$PATH REDIS_URL=unix://{self.state}/redis.sock",
                f"wherry dev --dir {self.state} &", "trap 'kill %1; wait %1' EXIT",
                "until wherry functions status -q >/dev/null 2>&1; do sleep 0.1; done"]

    def test_first_handler(self):
        """That of docs/handlers.md."""
        os.symlink(os.path.join(SOURCE, "docs"), os.path.join(self.folder, "docs"))
        output = self.run_commands(block_after("docs/handlers.md", "The first one, in Python"))
        self.assertIn('{"words": 2}', output)

    def test_two_commands(self):
        commands = re.findall(r"^(scripts/\S+)", block_after("README.md", "The two commands"), re.M)
        self.assertEqual(commands, ["scripts/demo", "scripts/test"])
        for command in commands:
            self.assertTrue(os.access(os.path.join(SOURCE, command), os.X_OK), command)

    def test_programs(self):
        """The table of programs names what the build has."""
        for program in re.findall(r"^\| `(wherry[\w-]*)` \|", page("README.md"), re.M):
            self.assertTrue(os.access(os.path.join(BIN, program), os.X_OK), program)


if __name__ == "__main__":
    need("wherry", "wherry-worker", "wherry-scheduler")
    unittest.main(verbosity=2)
