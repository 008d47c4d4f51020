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

LINE = re.compile(r"(c?)(fn|fl|fi|fe|ob)=\((\d+)\)(?: (.*))?")


def is_there():
    return shutil.which("valgrind") is not None


class Part:
    """own: function -> instructions; calls: (caller, callee) -> instructions, all below it in
    them. Of functions without a name the address stands for it."""

    def __init__(self, path):
        self.own, self.calls = collections.Counter(), collections.Counter()
        self.object_of, self.file_of = {}, {}
        with open(path, encoding="utf-8", errors="replace") as file:
            self._read(file)
        self.total = sum(self.own.values())

    def _read(self, file):
        names = {"fn": {}, "ob": {}, "fl": {}}  # of a kind: number -> text, told once
        where, here, callee = {}, None, None
        for line in file:
            found = LINE.match(line)
            if found:
                is_called, kind, key, text = found.groups()
                known = names["fl" if kind[0] == "f" and kind != "fn" else kind]
                if text is not None:
                    known[key] = re.sub(r"'\d+$", "", text.strip())
                if is_called and kind == "fn":
                    callee = known[key]
                elif not is_called:
                    where[kind] = known[key]
                    here = where.get("fn")
                    if kind == "fn":
                        self.object_of[here] = where.get("ob", "")
                        self.file_of[here] = where.get("fl", "")
            elif line.startswith("calls="):
                self.calls[here, callee] += int(next(file).split()[1])
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

    def has_ended(self, pid):
        """Its last part is written: a child may still be at it when its parent is gone."""
        path = f"{self.folder}/callgrind.{pid}"
        if not os.path.exists(path):
            return False
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 100))
            return b"totals:" in file.read()

    def parts(self, pid):
        return len(glob.glob(f"{self.folder}/callgrind.{pid}.*"))

    def part(self, pid, number=None):
        """number: from 1; None is what came after the last."""
        return Part(f"{self.folder}/callgrind.{pid}" + (f".{number}" if number else ""))
