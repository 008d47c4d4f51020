#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions of the worker, its executor and a producer for a job."""
import guard
from working import watch_drain, watch_produce

JOBS = 5000


def measure():
    guard.need_valgrind()
    key = guard.on_compiler()
    worker, executor, _ = watch_drain(99, JOBS)
    producer = watch_produce(99, JOBS).under("wh_client_enqueue_batch")
    return {("worker.99-orgs.instructions", key): worker.total / JOBS,
            ("executor.99-orgs.instructions", key): executor,
            ("producer.99-orgs.instructions", key): producer / JOBS}


if __name__ == "__main__":
    guard.main(measure, __doc__)
