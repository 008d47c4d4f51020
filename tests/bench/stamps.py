# SPDX-License-Identifier: Apache-2.0
"""Stamps: when each job's handler started and ended, as plugins/sleep_handler.c wrote
them down on CLOCK_MONOTONIC (time.monotonic_ns is the same clock). In seconds here.
"""
import collections
import os
import struct

RECORD = struct.Struct("=QQ40s32s40s")
Stamp = collections.namedtuple("Stamp", "start end org kind id")


def load(folder):
    """All stamps, by start."""
    found = []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            data = file.read()
        whole = len(data) - len(data) % RECORD.size  # the last one may be on its way
        for start, end, *words in RECORD.iter_unpack(data[:whole]):
            found.append(Stamp(start / 1e9, end / 1e9,
                               *(w.rstrip(b"\0").decode() for w in words)))
    return sorted(found)


def processes(folder):
    """How many processes have run a job."""
    return sum(os.path.getsize(os.path.join(folder, name)) > 0 for name in os.listdir(folder))


def busy(stamps, begin, end):
    """org -> seconds of handlers within the window."""
    found = collections.Counter()
    for s in stamps:
        found[s.org] += max(0.0, min(s.end, end) - max(s.start, begin))
    return found


def most_at_once(stamps, begin, end):
    """The most handlers that ran at one moment of the window, and how many on average."""
    edges, inside = [], 0.0
    for s in stamps:
        if s.end > begin and s.start < end:
            edges += [(max(s.start, begin), 1), (s.end, -1)]
            inside += min(s.end, end) - max(s.start, begin)
    most = now = 0
    for _, step in sorted(edges):  # at the same instant ends come first
        now += step
        most = max(most, now)
    return most, inside / (end - begin)
