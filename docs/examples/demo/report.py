#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads what the demo's jobs did and checks it.

    report.py OUT   reads OUT/finished.jsonl (all jobs, `wherry job list --json --full`),
                    OUT/expected.json and the independent figures OUT/sha256, OUT/words, OUT/unpacked; prints a table per queue, org and type. Exit 1 when a result is
                    wrong, missing or doubled.
"""
import json
import os
import sys


def percentile(values, p):
    if not values:
        return None
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p))]


def human(ms):
    if ms is None:
        return "-"
    return f"{ms} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def load_jsonl(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


def wait_of(job):
    """From its enqueue to its first start; delays count."""
    return max(0, job["started_at_ms"] - job["enqueued_at_ms"])


def table(jobs):
    rows = {}
    for j in jobs:
        rows.setdefault((j["region"] + ":" + j["queue"], j["org"], j["type"]), []).append(j)
    head = ["queue", "org", "type", "done", "failed once+", "dead", "wait p50", "p99", "run p50", "p99"]
    lines = []
    for key in sorted(rows):
        group = rows[key]
        waits = [wait_of(j) for j in group if "started_at_ms" in j and j.get("fence", 1) == 1]
        runs = [j["finished_at_ms"] - j["started_at_ms"] for j in group if "finished_at_ms" in j and "started_at_ms" in j]
        lines.append([*key, str(sum(j["status"] == "completed" for j in group)),
                      str(sum(j.get("attempts", 0) > 0 for j in group)),
                      str(sum(j["status"] == "failed" for j in group)),
                      human(percentile(waits, .5)), human(percentile(waits, .99)),
                      human(percentile(runs, .5)), human(percentile(runs, .99))])
    widths = [max(len(r[i]) for r in [head, *lines]) for i in range(len(head))]
    for row in [head, *lines]:
        print("  ".join(c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip())


def independent(out):
    """path -> (sha256, lines, words, bytes) as sha256sum, wc and perl found them."""
    figures = {}
    with open(os.path.join(out, "sha256"), "rb") as f:
        for entry in f.read().split(b"\0"):
            if entry:
                figures[os.fsdecode(entry[66:])] = [entry[:64].decode()]
    with open(os.path.join(out, "words"), "rb") as f:
        for entry in f.read().split(b"\0"):
            if entry:
                lines, words, size, path = entry.split(b" ", 3)
                figures[os.fsdecode(path)] += [int(lines), int(words), int(size)]
    return figures


def check_results(out, results, figures):
    with open(os.path.join(out, "unpacked"), encoding="utf-8") as f:
        unpacked = {line[65:].rstrip("\n"): line[:64] for line in f}
    wrong, seen = [], {"hash.file": {}, "text.words": {}, "file.compress": {}}
    for j in results:
        if j["type"] not in seen or j["status"] != "completed":
            continue
        path = j["payload"] if j["type"] == "file.compress" else json.loads(j["payload"])["path"]
        if path in seen[j["type"]]:
            wrong.append(f"{path}: {j['type']} done twice")
        seen[j["type"]][path] = True
        want = figures.get(path)
        if want is None:
            wrong.append(f"{path}: not one of the files")
        elif j["type"] == "hash.file" and json.loads(j["result"])["sha256"] != want[0]:
            wrong.append(f"{path}: SHA-256 differs from sha256sum")
        elif j["type"] == "text.words":
            r = json.loads(j["result"])
            if [r["lines"], r["words"], r["bytes"]] != want[1:]:
                wrong.append(f"{path}: counts {r} differ from {want[1:]}")
        elif j["type"] == "file.compress" and unpacked.get(j["result"].strip()) != want[0]:
            wrong.append(f"{path}: its compressed file is missing or unpacks to something else")
    for kind, paths in seen.items():
        for path in figures:
            if path not in paths:
                wrong.append(f"{path}: no result of {kind}")
    return wrong


def check_failures(expected, jobs):
    wrong = []
    for want in expected["failing"]:
        here = [j for j in jobs if j["region"] == want["region"]]
        dead = [j.get("error_category") for j in here if j["status"] == "failed"]
        crashed = [j for j in here if j["type"] == "chaos.crash" and j["status"] == "completed" and j.get("attempts", 0) >= 1]
        for category in ("not_found", "connection"):
            if dead.count(category) != want[category]:
                wrong.append(f"{want['region']}: {dead.count(category)} dead as {category}, expected {want[category]}")
        if len(crashed) != want["crashed_then_completed"]:
            wrong.append(f"{want['region']}: {len(crashed)} crashed once and completed, expected {want['crashed_then_completed']}")
    return wrong


def main():
    out = sys.argv[1]
    with open(os.path.join(out, "expected.json"), encoding="utf-8") as f:
        expected = json.load(f)
    jobs = load_jsonl(os.path.join(out, "finished.jsonl"))
    table(jobs)
    wrong = []
    for region, n in expected["jobs"].items():
        found = sum(j["region"] == region for j in jobs)
        if found != n:
            wrong.append(f"{region}: {n} jobs were enqueued, {found} ended")
    figures = independent(out)
    wrong += check_results(out, jobs, figures)
    wrong += check_failures(expected, jobs)
    for line in wrong[:20]:
        print("WRONG: " + line)
    if wrong:
        print(f"{len(wrong)} results are wrong")
        return 1
    print(f"\nchecked: {3 * len(figures)} results equal those of sha256sum, perl and gzip -t; "
          "the jobs that had to fail failed as they should")
    return 0


if __name__ == "__main__":
    sys.exit(main())
