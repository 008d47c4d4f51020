# SPDX-License-Identifier: Apache-2.0
"""Processes started here: starting and ending them, their CPU time and memory.

Every process goes through spawn() and stop(); LIVE holds those that were not
stopped yet, so that the end of a run can end them. Nothing else is ever ended.
"""
import os
import signal
import subprocess

TICK = os.sysconf("SC_CLK_TCK")
LIVE = []           # every Popen started here and not yet reaped


class Failure(Exception):
    """A measurement that can't be made or does not count; the text says why."""


def spawn(cmd, env, log, **kw):
    p = subprocess.Popen(cmd, env=env, stderr=log, stdin=subprocess.DEVNULL,
                         start_new_session=True, **kw)
    LIVE.append(p)
    return p


def descendants(pid):
    found, queue = [], [pid]
    while queue:
        q = queue.pop()
        found.append(q)
        try:
            for task in os.listdir(f"/proc/{q}/task"):
                with open(f"/proc/{q}/task/{task}/children") as f:
                    queue += [int(x) for x in f.read().split()]
        except OSError:
            pass
    return found


def stop(p, grace=8.0):
    """Ends one process started here, and what it had started itself."""
    pids = descendants(p.pid)
    if p.poll() is None:
        p.send_signal(signal.SIGTERM)
        try:
            p.wait(grace)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
    for q in pids[1:]:
        try:
            with open(f"/proc/{q}/stat") as f:
                same = int(f.read().rsplit(")", 1)[1].split()[3]) == p.pid
            if same:            # still in the session that p led
                os.kill(q, signal.SIGKILL)
        except (OSError, IndexError, ValueError):
            pass
    if p in LIVE:
        LIVE.remove(p)


def cpu_of(procs):
    """CPU seconds of these processes, their living and their reaped children."""
    total = 0
    for p in procs:
        for q in descendants(p.pid):
            try:
                with open(f"/proc/{q}/stat") as f:
                    v = f.read().rsplit(")", 1)[1].split()
                total += sum(int(x) for x in v[11:15])
            except (OSError, IndexError):
                pass
    return total / TICK


def mem_of(procs):
    """(RSS, PSS) in KiB, summed over the trees."""
    rss = pss = 0
    for p in procs:
        for q in descendants(p.pid):
            try:
                with open(f"/proc/{q}/smaps_rollup") as f:
                    for line in f:
                        if line.startswith("Rss:"):
                            rss += int(line.split()[1])
                        elif line.startswith("Pss:"):
                            pss += int(line.split()[1])
            except OSError:
                pass
    return rss, pss
