# SPDX-License-Identifier: Apache-2.0
"""What the lint tests share: which files there are, reporting, C without comments.

A lint prints one line "file:line: what is wrong; what would be right" per finding
and exits with 1, with 0 when there is none, and with 77 (skipped) when its tool is
missing; with CI=true a missing tool is a failure.
"""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.realpath(
    os.environ.get("WH_SOURCE_DIR") or os.path.join(os.path.dirname(__file__), "..", ".."))
SKIPPED = 77
NOT_OURS = ("tests/bench/peers/",)  # measured peers, kept as they were measured


def _walk():
    for folder, folders, names in os.walk(ROOT):
        relative = os.path.relpath(folder, ROOT)
        if relative == ".":
            relative = ""
        folders[:] = sorted(
            f for f in folders
            if f not in (".git", "__pycache__", "node_modules", ".cache")
            and not (relative == "" and (f == "build" or f.startswith("build-"))))
        for name in sorted(names):
            yield os.path.join(relative, name)


def files(*endings, under=(), theirs=False):
    """Paths from the root, of the tree's files; not what git ignores, nor peers'."""
    try:
        listed = subprocess.run(
            ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True, capture_output=True).stdout.decode().split("\0")
        paths = sorted({p for p in listed if p})
    except (OSError, subprocess.CalledProcessError):
        paths = list(_walk())
    return [
        p for p in paths
        if (not endings or p.endswith(endings))
        and (not under or p.startswith(tuple(under)))
        and (theirs or not p.startswith(NOT_OURS))
        and os.path.isfile(os.path.join(ROOT, p))]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


class Report:
    def __init__(self, what):
        self.what = what
        self.count = 0

    def add(self, path, line, text):
        print(f"{path}:{line}: {text}")
        self.count += 1

    def finish(self, checked):
        verdict = f"{self.count} findings" if self.count else "ok"
        print(f"{self.what}: {checked} files, {verdict}")
        sys.exit(1 if self.count else 0)


def need(tool, package):
    """The tool's path; without it the test is skipped, or fails in CI."""
    found = shutil.which(tool)
    if found:
        return found
    print(f"{tool} is not installed: apt-get install {package} (scripts/setup --tests does)")
    sys.exit(1 if os.environ.get("CI") == "true" else SKIPPED)


_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def strip_c(text, keep_strings=False):
    """C with comments (and the inside of literals) blanked; lines stay where they are."""
    def blank(match):
        token = match.group(0)
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        return token if keep_strings else token[0] + " " * (len(token) - 2) + token[0]
    return _TOKEN.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1
