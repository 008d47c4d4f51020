#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""codespell on the whole tree; words it must not know are in codespell-words.txt."""
import re
import subprocess

from lintlib import ROOT, Report, files, need

FINDING = re.compile(r"^(.+?):(\d+): (.*)$")
NOT_TEXT = (".json", ".png", ".ico", ".svg", ".gz", ".woff2", ".bin", ".rdb", ".map")


def main():
    codespell = need("codespell", "codespell")
    report = Report("spelling")
    paths = [p for p in files() if not p.endswith(NOT_TEXT) and "/corpus/" not in p
             and p != "LICENSE" and not p.endswith("codespell-words.txt")]
    for start in range(0, len(paths), 200):
        done = subprocess.run(
            [codespell, "--ignore-words", f"{ROOT}/tests/lint/codespell-words.txt",
             "--", *paths[start:start + 200]],
            cwd=ROOT, capture_output=True, text=True, check=False)
        findings = [m for m in map(FINDING.match, done.stdout.splitlines()) if m]
        for match in findings:
            report.add(match.group(1), match.group(2), match.group(3))
        if done.returncode != 0 and not findings:
            report.add("codespell", 1, (done.stdout + done.stderr).strip().splitlines()[-1])
    report.finish(len(paths))


if __name__ == "__main__":
    main()
