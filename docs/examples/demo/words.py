#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demo's exec handler, one program for three types.

text.words  payload {"path": …}: lines, words (runs of letters and digits) and bytes of a file
net.fetch   payload {"port": …}: connects to a port of this machine, where nobody listens
chaos.crash payload {}: its first attempt dies by a signal, as a bug in a C extension would
"""
import os
import re
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from wherry_handler import Fail, run  # noqa: E402


def words(job):
    path = job.json()["path"]
    try:
        with open(path, "rb") as f:
            data = f.read()
    except FileNotFoundError:
        raise Fail(f"{path}: no such file", category="not_found")
    return {"lines": data.count(b"\n"), "words": len(re.findall(rb"[A-Za-z0-9]+", data)), "bytes": len(data)}


def fetch(job):
    with socket.create_connection(("127.0.0.1", job.json()["port"]), timeout=2):
        return {"connected": True}


def crash(job):
    if job.attempt == 1:
        signal.raise_signal(signal.SIGSEGV)  # to this thread, at once
    return {"survived": True, "attempt": job.attempt}


HANDLERS = {"text.words": words, "net.fetch": fetch, "chaos.crash": crash}

if __name__ == "__main__":
    run(lambda job: HANDLERS[job.type](job))
