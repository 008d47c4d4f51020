#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""C files are as clang-format 14 leaves them; other versions format differently."""
import re
import shutil
import subprocess
import sys

from lintlib import ROOT, SKIPPED, Report, files, need

VERSION = 14
FINDING = re.compile(r"^([^:\s][^:]*):(\d+):\d+: (?:error|warning): .*$")


def main():
    tool = shutil.which(f"clang-format-{VERSION}") or need("clang-format", "clang-format")
    shown = subprocess.run([tool, "--version"], check=True, capture_output=True, text=True).stdout
    major = re.search(r"version (\d+)", shown)
    if not major or int(major.group(1)) != VERSION:
        print(f"the house format is that of clang-format {VERSION}; here is {shown.strip()}")
        sys.exit(SKIPPED)
    report = Report("format")
    paths = files(".c", ".h")
    seen = set()
    for start in range(0, len(paths), 100):
        done = subprocess.run([tool, "--dry-run", "-Werror", *paths[start:start + 100]],
                              cwd=ROOT, capture_output=True, text=True, check=False)
        for match in filter(None, map(FINDING.match, done.stderr.splitlines())):
            if match.group(1) not in seen:
                seen.add(match.group(1))
                report.add(match.group(1), match.group(2),
                           f"not in the house format; run clang-format -i {match.group(1)}")
        if done.returncode != 0 and not seen:
            report.add(".clang-format", 1, done.stderr.strip())
    report.finish(len(paths))


if __name__ == "__main__":
    main()
