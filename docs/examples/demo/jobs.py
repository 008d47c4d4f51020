#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the demo's jobs: for each file below DIR one hash, one word count, one compression;
three orgs, two regions, priorities, delays, and a few that must fail.

    jobs.py DIR OUT   ->  OUT/eu.jsonl OUT/us.jsonl (for `wherry job enqueue --jsonl`),
                          OUT/files (NUL-separated paths), OUT/expected.json
"""
import json
import os
import socket
import sys

ORGS = ["north", "south", "west"]
REGIONS = ["eu", "us"]


def files_below(top):
    for folder, subfolders, names in os.walk(top):
        subfolders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path) and os.access(path, os.R_OK):
                try:
                    path.encode("utf-8")
                except UnicodeEncodeError:
                    print(f"left out, a JSON payload can't carry its name: {os.fsencode(path)!r}")
                    continue
                yield path


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def jobs_of_file(number, path):
    org = ORGS[number % len(ORGS)]
    as_json = json.dumps({"path": path}, ensure_ascii=False)
    entity = {"entity_type": "file", "entity_id": str(number)}
    yield {"type": "hash.file", "org": org, "payload": as_json, "priority": 9 if number % 10 == 0 else 5, **entity}
    words = {"type": "text.words", "org": org, "payload": as_json, **entity}
    if number % 25 == 0:
        words["delay_ms"] = 1500
    yield words
    yield {"type": "file.compress", "org": org, "payload": path, "priority": 3, **entity}


def jobs_that_fail(region):
    """(jobs, how each category must end)."""
    missing = json.dumps({"path": "/nonexistent/invoice-4711.pdf"})
    port = json.dumps({"port": closed_port()})
    out = [{"type": "hash.file", "org": "south", "payload": missing} for _ in range(3)]
    out += [{"type": "net.fetch", "org": "west", "payload": port} for _ in range(2)]
    out += [{"type": "chaos.crash", "org": "north", "payload": "{}"} for _ in range(2)]
    return out, {"region": region, "not_found": 3, "connection": 2, "crashed_then_completed": 2}


def main():
    top, out = sys.argv[1], sys.argv[2]
    writers = {r: open(os.path.join(out, r + ".jsonl"), "w", encoding="utf-8") for r in REGIONS}
    expected = {"files": 0, "jobs": {}, "failing": []}
    with open(os.path.join(out, "files"), "wb") as listing:
        for number, path in enumerate(files_below(top)):
            listing.write(os.fsencode(path) + b"\0")
            expected["files"] += 1
            for job in jobs_of_file(number, path):
                writers[REGIONS[number % 2]].write(json.dumps(job, ensure_ascii=False) + "\n")
    for region in REGIONS:
        jobs, how = jobs_that_fail(region)
        expected["failing"].append(how)
        for job in jobs:
            writers[region].write(json.dumps(job) + "\n")
    for region, w in writers.items():
        w.close()
        with open(os.path.join(out, region + ".jsonl"), encoding="utf-8") as f:
            expected["jobs"][region] = sum(1 for _ in f)
    with open(os.path.join(out, "expected.json"), "w", encoding="utf-8") as f:
        json.dump(expected, f)
    print(f"{expected['files']} files, {sum(expected['jobs'].values())} jobs")


if __name__ == "__main__":
    main()
