# SPDX-License-Identifier: Apache-2.0
"""What the install tests share: where things are, the public API, running commands."""
import os
import re
import subprocess
import sys

ROOT = os.path.realpath(
    os.environ.get("WH_SOURCE_DIR") or os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.realpath(os.environ.get("WH_BUILD_DIR") or os.path.join(ROOT, "build"))
HEADER = os.path.join(ROOT, "common", "client", "wherry.h")
SKIPPED = 77
DECLARED = re.compile(r"\bWH_API\b[^;{}]*?\b(wh\w+)\s*\(")


def api():
    """Names of the functions that wherry.h declares with WH_API."""
    if not os.path.isfile(HEADER):
        print("there is no public header yet: common/client/wherry.h")
        sys.exit(SKIPPED)
    with open(HEADER, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", file.read(), flags=re.S)
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*$", "", text, flags=re.M)
    names = sorted(set(DECLARED.findall(text)))
    if not names:
        sys.exit(f"{HEADER}: declares no function with WH_API")
    return names


def run(*command, **more):
    """Runs a command; what it printed is shown when it fails, which ends the test."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}exit status {done.returncode}")
    return done.stdout
