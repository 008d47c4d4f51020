#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""luacheck on the assembled Redis function library, production and test build.

The parts share one chunk, so a part alone would look full of unknown names. The
findings are turned back into the parts' own lines with the assembly's map.
"""
import os
import re
import subprocess
import sys
import tempfile

from lintlib import ROOT, SKIPPED, Report, need

OTHER_LINE = re.compile(r"\bon line (\d+)")
FINDING = re.compile(r"^[^:]+:(\d+):(\d+): (.*)$")


def assemble(out, name, test):
    done = subprocess.run(
        ["cmake", f"-DLUA_DIR={ROOT}/lua", f"-DOUT_DIR={out}", f"-DNAME={name}",
         "-DSYMBOL=lua_bundle", f"-DTEST={test}", "-P", f"{ROOT}/cmake/assemble_lua.cmake"],
        capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"lua/manifest.txt:1: {done.stderr.strip()}")
    with open(f"{out}/{name}.map", encoding="utf-8") as file:
        return [(int(first), int(count), path)
                for first, count, path in (line.split() for line in file)]


def source(parts, line):
    for first, count, path in parts:
        if first <= line < first + count:
            return path, line - first + 1
    return "lua/manifest.txt", 1


def check(report, seen, luacheck, out, name, test):
    parts = assemble(out, name, test)
    done = subprocess.run(
        [luacheck, "--config", f"{ROOT}/.luacheckrc", "--formatter", "plain", "--codes",
         "--no-color", "--no-cache", f"{out}/{name}.lua"],
        capture_output=True, text=True, check=False, cwd=out)
    findings = [m for m in map(FINDING.match, done.stdout.splitlines()) if m]
    for match in findings:
        path, line = source(parts, int(match.group(1)))
        text = OTHER_LINE.sub(
            lambda other: "at {}:{}".format(*source(parts, int(other.group(1)))),
            match.group(3))
        if (path, line, text) not in seen:
            seen.add((path, line, text))
            report.add(path, line, text)
    if done.returncode > 1 and not findings:
        report.add(f"{name}.lua", 1, f"luacheck failed: {done.stdout}{done.stderr}".strip())
    return len(parts)


def main():
    if not os.path.isfile(f"{ROOT}/lua/manifest.txt"):
        print("there is no lua/manifest.txt")
        sys.exit(SKIPPED)
    luacheck = need("luacheck", "lua-check")
    report = Report("lua")
    with tempfile.TemporaryDirectory() as out:
        seen = set()
        count = check(report, seen, luacheck, out, "wherry_1", "OFF")
        check(report, seen, luacheck, out, "wherry_1_test", "ON")
    report.finish(count)


if __name__ == "__main__":
    main()
