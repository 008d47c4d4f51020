# SPDX-License-Identifier: Apache-2.0
"""What the tests of the documentation share: fenced blocks, and a fleet to run them on.

The fleet is the one of the fault tests: private Redis, real programs, and a look for
processes that were left behind.
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "fault"))

from fleet import BIN, BUILD, SOURCE, FaultTest, Fleet, need, wait_for  # noqa: E402

__all__ = ["BIN", "BUILD", "SOURCE", "DocsTest", "Fleet", "block_after", "blocks", "need",
           "page", "wait_for"]

FENCE = re.compile(r"^(?:<!-- example: (?P<name>[\w.-]+) -->\n)?"
                   r"```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)


def page(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        return file.read()


def blocks(path):
    """(name or None, language, text) of all fenced blocks; `<!-- example: NAME -->` names one."""
    return [(m["name"], m["language"], m["text"]) for m in FENCE.finditer(page(path))]


def block_after(path, heading):
    """The first fenced block below a heading."""
    text = page(path)
    place = re.search(rf"^#+ {re.escape(heading)}$", text, re.M)
    if place is None:
        raise AssertionError(f"{path} has no heading {heading!r} any more")
    match = FENCE.search(text, place.end())
    if match is None:
        raise AssertionError(f"{path}: no example below {heading!r}")
    return match["text"]


class DocsTest(FaultTest):
    """self.fleet with a Redis that knows no library yet; what is left running fails the test."""

    def setUp(self):
        self.fleet = Fleet()
        self.addCleanup(self.fleet.remove)
        self.addCleanup(self._stop)
        self.fleet.start_redis(load=False)

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.fleet.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path
