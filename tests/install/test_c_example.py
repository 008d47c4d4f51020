#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/examples/c/enqueue.c, compiled by the command in its head against an installed
libwherry, hands a job to a running fleet and waits for its end.
"""
import os
import re
import shutil
import subprocess
import sys
import unittest

from installed import BUILD, ROOT, run

sys.path.insert(0, os.path.join(ROOT, "tests", "fault"))
from fleet import FaultTest, need  # noqa: E402

EXAMPLE = os.path.join(ROOT, "docs", "examples", "c", "enqueue.c")


class CExample(FaultTest):
    def compiled(self):
        prefix = os.path.join(self.fleet.folder, "prefix")
        run("cmake", "--install", BUILD, "--prefix", prefix)
        pc = [os.path.dirname(path) for path, _, names in os.walk(prefix)
              for path in (os.path.join(path, n) for n in names) if path.endswith(".pc")]
        self.assertEqual(len(pc), 1)
        shutil.copy(EXAMPLE, self.fleet.folder)
        with open(EXAMPLE, encoding="utf-8") as file:
            command = re.search(r"^ \* +(cc .*)$", file.read(), re.M).group(1)
        run("sh", "-ec", command, cwd=self.fleet.folder,
            env={**os.environ, "PKG_CONFIG_PATH": pc[0]})
        return os.path.join(self.fleet.folder, "enqueue"), os.path.dirname(pc[0])

    def test_example(self):
        program, libraries = self.compiled()
        plugin = os.path.join(BUILD, "lib", "wherry", "handlers", "noop.so")
        self.fleet.start_worker("w", {"noop": f"native:{plugin}"})  # region eu, and any

        def enqueue(*words):
            return subprocess.run([program, *words], capture_output=True, text=True, timeout=60,
                                  env={**os.environ, "LD_LIBRARY_PATH": libraries}, check=False)
        done = enqueue(self.fleet.url, "noop", "{}")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertRegex(done.stdout, r"\Acreated [0-9a-f-]{36}\ncompleted after 0 failed attempts\n")
        self.assertEqual(enqueue("only", "two").returncode, 2)


if __name__ == "__main__":
    need("wherry-worker")
    unittest.main(verbosity=2)
