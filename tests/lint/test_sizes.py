#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hard limits: file 500 lines, function 60 lines, 6 parameters, 4 levels of nesting.

Relies on the house format: the braces of a function, and only they, stand at the
start of a line (test_format.py proves it). A function counts from its opening
brace to its closing one.
"""
import re

from lintlib import Report, files, line_of, read, strip_c

FILE_LINES = 500
FUNCTION_LINES = 60
PARAMETERS = 6
NESTING = 4
FUNCTION = re.compile(r"^(?P<head>[A-Za-z_][^;{}#]*?\))\s*\n\{\n(?P<body>.*?)^\}", re.M | re.S)
LUA_FUNCTION = re.compile(r"^(?:local )?(?:function\b|[\w.]+\s*=\s*function\b).*?^end\b", re.M | re.S)


def parameters(head):
    """How many the last parenthesis of a function's head holds, and its name."""
    depth = 0
    for start in range(len(head) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(head[start], 0)
        if depth == 0:
            break
    inside, depth, count = head[start + 1:-1], 0, 1
    for char in inside:
        depth += {"(": 1, ")": -1}.get(char, 0)
        count += char == "," and depth == 0
    name = re.search(r"(\w+)\s*$", head[:start])
    if inside.strip() in ("", "void"):
        count = 0
    return (name.group(1) if name else "?"), count


def deepest(body):
    """The deepest braces in a function's body, with the line they open on."""
    depth = worst = line = at = 0
    for char in body:
        line += char == "\n"
        depth += {"{": 1, "}": -1}.get(char, 0)
        if depth > worst:
            worst, at = depth, line
    return worst, at


FOREIGN_SIGNATURE = "NOLINTNEXTLINE(readability-function-size)"


def check_function(report, path, text, match, raw_lines):
    name, count = parameters(match.group("head"))
    line = line_of(text, match.start())
    length = match.group("body").count("\n") + 2
    if length > FUNCTION_LINES:
        report.add(path, line, f"{name} has {length} lines; at most {FUNCTION_LINES}")
    foreign = line >= 2 and FOREIGN_SIGNATURE in raw_lines[line - 2]
    if count > PARAMETERS and not foreign:
        report.add(path, line, f"{name} takes {count} parameters; at most {PARAMETERS}, "
                   "then an options struct")
    depth, at = deepest(match.group("body"))
    if depth > NESTING:
        at += line_of(text, match.start("body"))
        report.add(path, at, f"{name} nests {depth} deep; at most {NESTING}, "
                   "then a function of its own")


def main():
    report = Report("sizes")
    paths = files(".c", ".h", ".lua", ".py", ".js", ".cmake")
    for path in paths:
        text = read(path)
        lines = text.count("\n")
        if lines > FILE_LINES:
            report.add(path, lines, f"the file has {lines} lines; at most {FILE_LINES}, "
                       "then two files with a noun each")
        if path.endswith((".c", ".h")):
            code = strip_c(text)
            for match in FUNCTION.finditer(code):
                check_function(report, path, code, match, text.split("\n"))
        if path.endswith(".lua"):
            for match in LUA_FUNCTION.finditer(text):
                length = match.group(0).count("\n") + 1
                if length > FUNCTION_LINES:
                    report.add(path, line_of(text, match.start()), f"the function has {length} "
                               f"lines; at most {FUNCTION_LINES}")
    report.finish(len(paths))


if __name__ == "__main__":
    main()
