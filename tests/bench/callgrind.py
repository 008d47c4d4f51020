# SPDX-License-Identifier: Apache-2.0
"""A program under valgrind's callgrind: instructions, counted and laid to functions.

Watch(folder, before) gives the words that run a program so; each call of the function
`before` ends a part, the end of the program the last one. part(n) reads the n-th. Every
count is of the program's own instructions: the kernel's are not seen.
"""
import collections
import glob
import os
import re
import shutil

LINE = re.compile(r"(c?)(fn|ob)=\((\d+)\)(?: (.*))?")


def is_there():
    return shutil.which("valgrind") is not None


class Part:
    """own: function -> instructions; calls: (caller, callee) -> instructions, all below it in
    them. Of functions without a name the address stands for it."""

    def __init__(self, path):
        self.own, self.calls = collections.Counter(), collections.Counter()
        self._names, self._objects = {}, {}
        self.object_of = {}
        with open(path, encoding="utf-8", errors="replace") as file:
            self._read(file)
        self.total = sum(self.own.values())

    def _name(self, names, key, text):
        if text is not None:
            names[key] = re.sub(r"'\d+$", "", text.strip())
        return names[key]

    def _read(self, file):
        here = callee = there = None
        for line in file:
            found = LINE.match(line)
            if found:
                is_called, kind, key, text = found.groups()
                if kind == "ob":
                    name = self._name(self._objects, key, text)
                    if not is_called:
                        there = name
                elif is_called:
                    callee = self._name(self._names, key, text)
                else:
                    here = self._name(self._names, key, text)
                    self.object_of[here] = there
            elif line.startswith("calls="):
                cost = int(next(file).split()[1])
                self.calls[here, callee] += cost
            elif line[:1] in "+-*0123456789" and here is not None:
                words = line.split()
                if len(words) == 2:
                    self.own[here] += int(words[1])

    def under(self, function):
        """Instructions of a function with all that it calls."""
        return self.own[function] + sum(
            cost for (caller, callee), cost in self.calls.items()
            if caller == function and callee != function)


class Watch:
    def __init__(self, folder, before, *options):
        self.folder = folder
        self.words = ("valgrind", "--tool=callgrind",
                      f"--callgrind-out-file={folder}/callgrind.%p",
                      f"--dump-before={before}", *options)

    def pids(self):
        """Of all processes that have ended or marked."""
        found = {int(os.path.basename(path).split(".")[1])
                 for path in glob.glob(f"{self.folder}/callgrind.*")}
        return sorted(found)

    def parts(self, pid):
        return len(glob.glob(f"{self.folder}/callgrind.{pid}.*"))

    def part(self, pid, number=None):
        """number: from 1; None is what came after the last."""
        return Part(f"{self.folder}/callgrind.{pid}" + (f".{number}" if number else ""))
