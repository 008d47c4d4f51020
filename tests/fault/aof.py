# SPDX-License-Identifier: Apache-2.0
"""The append-only file of a Redis that was killed, in the folder where it ran."""
import os
import subprocess

FOLDER, NAME = "appendonlydir", "appendonly.aof"


def mend(folder):
    """As docs/operations.md has Redis started after a kill; nothing where there is no file.
    Redis itself would leave the first half of a call at the file's end."""
    manifest = os.path.join(folder, FOLDER, f"{NAME}.manifest")
    if os.path.exists(manifest):
        subprocess.run(["redis-check-aof", "--fix", manifest], input=b"y\n", check=True,
                       stdout=subprocess.DEVNULL)


def tear(folder):
    """Cuts the file in the last word of its last call: what a kill within a write leaves."""
    path = os.path.join(folder, FOLDER, f"{NAME}.1.incr.aof")
    with open(path, "rb") as file:
        if not file.read().endswith(b"EXEC\r\n"):
            raise AssertionError("the file does not end with a call of several commands")
    os.truncate(path, os.path.getsize(path) - 4)
