#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nothing that belongs to one machine or to unfinished work; every source has a licence.

The patterns are written so that this file does not match itself.
"""
import re

from lintlib import Report, files, read

EVERYWHERE = [
    (re.compile(r"(?<![\w.])/(?:work|farm|ro[o]t|home)/[\w.]"), "a path of one machine; "
     "use a path from the repository's root or an environment variable"),
    (re.compile(r"https?://(?:deb|security|registry|files|pypi|ftp|mirror)[\w-]*\.[\w.]+"),
     "names a package host; leave that to the user's package manager"),
    (re.compile(r"\.\./[s]hared\b"), "points outside of the repository"),
]
CODE = [
    (re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"),
     "marks unfinished work; finish it, or open an issue"),
    (re.compile(r"\bnot (?:yet )?impl" r"emented\b|\bst" r"ub\b"),
     "marks unfinished work; finish it, or say what is refused and why"),
]
SLEEP = re.compile(r"\b(?:usleep|nanosleep|sleep)\s*\(")
SOURCES = (".c", ".h", ".lua", ".js", ".py", ".sh", ".cmake")
TEXTS = SOURCES + (".md", ".json", ".yaml", ".yml", ".txt", ".html", ".css", ".in", ".conf",
                   ".acl", ".service", ".toml")
NO_ENDING = ("scripts/", ".ci/", "docker/")
# Waiting for a condition is done in one place, which may sleep between two looks.
MAY_SLEEP = ("tests/support/", "tests/bench/")


def check_lines(report, path, text, patterns):
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, advice in patterns:
            match = pattern.search(line)
            if match:
                report.add(path, number, f"{match.group(0).strip()!r} {advice}")


def main():
    report = Report("markers")
    texts = [p for p in files(theirs=True) if p.endswith(TEXTS) or p.startswith(NO_ENDING)]
    ours = set(files())
    for path in texts:
        text = read(path)
        check_lines(report, path, text, EVERYWHERE)
        if path not in ours:
            continue
        if path.endswith(SOURCES + (".md",)):
            check_lines(report, path, text, CODE)
        if path.endswith(SOURCES) and "SPDX-License-Identifier: Apache-2.0" not in text[:300]:
            report.add(path, 1, "has no licence line; begin with "
                       "SPDX-License-Identifier: Apache-2.0")
        if path.startswith("tests/") and path.endswith(".c") and not path.startswith(MAY_SLEEP):
            check_lines(report, path, text, [
                (SLEEP, "sleeps for a fixed time; wait for a condition with a deadline")])
    report.finish(len(texts))


if __name__ == "__main__":
    main()
