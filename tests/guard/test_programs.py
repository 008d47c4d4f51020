#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions of the worker, its executor and a producer for a job."""
import os
import subprocess
import tempfile

import guard
from callgrind import Watch
from working import PRODUCER, Working, watch_drain

JOBS = 5000


def produce():
    with tempfile.TemporaryDirectory(prefix="wh-guard-") as folder:
        watch = Watch(folder, "none")
        with Working(99) as w:
            w.fleet.fcall("wh1_pause")
            subprocess.run([*watch.words, PRODUCER, "enqueue", str(JOBS)], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           env={**os.environ, **w.peer_env()})
        return watch.part(watch.pids()[0]).under("wh_client_enqueue_batch") / JOBS


def measure():
    guard.need_valgrind()
    key = guard.on_compiler()
    worker, executor, _ = watch_drain(99, JOBS)
    return {("worker.99-orgs.instructions", key): worker.total / JOBS,
            ("executor.99-orgs.instructions", key): executor,
            ("producer.99-orgs.instructions", key): produce()}


if __name__ == "__main__":
    guard.main(measure, __doc__)
