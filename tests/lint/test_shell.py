#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""shellcheck on every shell script, found by its first line; tests are executable."""
import os
import re
import subprocess

from lintlib import ROOT, Report, files, need, read

FINDING = re.compile(r"^([^:]+):(\d+):\d+: (.*)$")
SHELL = re.compile(r"^#!\s*\S*/(?:env\s+)?(?:ba|da)?sh\b")
BINARY = (".png", ".ico", ".gz", ".woff2", ".bin", ".rdb")


def is_script(path):
    if path.endswith(".sh"):
        return True
    if path.endswith(BINARY) or "." in os.path.basename(path)[1:]:
        return False
    return bool(SHELL.match(read(path)[:80]))


def main():
    shellcheck = need("shellcheck", "shellcheck")
    report = Report("shell")
    paths = [p for p in files(theirs=True) if is_script(p)]
    for path in paths:
        starts = SHELL.match(read(path)[:80])
        if starts and not os.access(os.path.join(ROOT, path), os.X_OK):
            report.add(path, 1, f"has a #! line and is not executable; chmod +x {path}")
    if paths:
        done = subprocess.run([shellcheck, "--format=gcc", "--severity=style", *paths],
                              cwd=ROOT, capture_output=True, text=True, check=False)
        findings = [m for m in map(FINDING.match, done.stdout.splitlines()) if m]
        for match in findings:
            report.add(match.group(1), match.group(2), match.group(3))
        if done.returncode > 1 and not findings:
            report.add("shellcheck", 1, (done.stdout + done.stderr).strip())
    for path in files(".py", ".sh", under=("tests/",)):
        if os.path.basename(path).startswith("test_") and not os.access(
                os.path.join(ROOT, path), os.X_OK):
            report.add(path, 1, f"is a test and not executable; chmod +x {path}")
    report.finish(len(paths))


if __name__ == "__main__":
    main()
