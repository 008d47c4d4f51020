# SPDX-License-Identifier: Apache-2.0
"""One worker with a native no-op handler on a private Redis: jobs are enqueued while the
queue is paused, then it drains them. What a drain costs is looked at from outside: Redis'
own counts, and a tool that runs the worker (`wrap`: strace, callgrind).

with Working(orgs) as w: w.warm_up(n); w.enqueue(n); w.drain()
"""
import os
import re
import signal
import struct
import subprocess
import tempfile

import callgrind
from private import Private
from fleet import BUILD, PARTITION, wait_for
from resp import head, table

NOOP = {"noop": {"run": "native:" + os.path.join(BUILD, "lib", "wherry", "handlers", "noop.so"),
                 "processes": 1}}
PRODUCER = os.path.join(BUILD, "bench", "producer")
PAYLOAD = b"x" * 100
CALL = 1000
PEER_KEY = "wh:{eu:bench}"  # where PRODUCER enqueues
MARK = "wh_worker_dump"
DEADLINE_S = 120  # of what runs under a tool on a busy machine


class Working(Private):
    def __init__(self, orgs, slots=512, wrap=()):
        super().__init__()
        self.heads = [head("noop", f"org-{i:05d}") for i in range(orgs)]
        self.sent, self.slots, self.wrap = 0, slots, wrap
        self.worker = None

    def begin(self):
        self.fleet.configure(keep_count=0)
        self.worker = self.fleet.start_worker(
            "worker", NOOP, "--slots", str(self.slots), "--heartbeat", "15s",
            "--log-level", "warn", env={"WHERRY_ALSO_ANY": "false"}, ready=False,
            wrap=self.wrap)
        wait_for(lambda: self.stats()["workers"] == 1, "the worker", DEADLINE_S)

    def stats(self):
        """Read so that it does not count as a round trip of the worker's."""
        return table(self.fleet.redis("FCALL_RO", "wh1_stats", 1, PARTITION))

    def enqueue(self, count):
        self.fleet.fcall("wh1_pause")
        end = self.sent + count
        while self.sent < end:
            args = []
            for number in range(self.sent, min(end, self.sent + CALL)):
                args += [struct.pack(">QQ", 0x0190000000007000 + number // 1000,
                                     0x8000000000000000 + number),
                         self.heads[number % len(self.heads)], PAYLOAD]
            self.sent += len(args) // 3
            self.fleet.fcall("wh1_enqueue_batch", *args)

    def drain(self):
        """Returns the worker's calls meanwhile."""
        self.reset()
        self.fleet.fcall("wh1_resume")
        wait_for(lambda: self.stats()["completed"] == self.sent, "the jobs to end", DEADLINE_S)
        return self.calls() - 1  # ours

    def reset(self):
        self.fleet.redis("CONFIG", "RESETSTAT")

    def calls(self):
        """Functions called since reset(); stats() is not among them."""
        text = self.fleet.redis("INFO", "commandstats").decode()
        return int(re.search(r"cmdstat_fcall:calls=(\d+)", text)[1])

    def warm_up(self, count):
        self.enqueue(count)
        self.drain()

    def produce(self, jobs, wrap=()):
        """A producer enqueues them in bulk, into a queue of its own."""
        self.fleet.fcall("wh1_pause", key=PEER_KEY)
        self.fleet.fcall("wh1_configure", "keep_count", 0, key=PEER_KEY)
        self.reset()
        done = subprocess.run(
            [*wrap, PRODUCER, "enqueue", str(jobs)], capture_output=True, text=True, check=False,
            env={**os.environ, "PEERS_REDIS_SOCK": self.fleet.socket,
                 "PEERS_ORGS": str(len(self.heads))})
        if done.returncode != 0:
            raise AssertionError(f"the producer ended with {done.returncode}: {done.stderr}")

    def mark(self):
        """The worker tells its state, in MARK."""
        self.worker.send(signal.SIGUSR1)


def watch_drain(orgs, jobs):
    """callgrind's part of a worker that drains so many jobs, instructions of its executor per
    job, and the executor's part. The executor's are those of its whole life but the start."""
    with tempfile.TemporaryDirectory(prefix="wh-bench-") as folder:
        watch = callgrind.Watch(folder, MARK, "--trace-children=yes")
        with Working(orgs, wrap=watch.words) as w:
            pid = w.worker.pid
            w.warm_up(jobs)
            w.enqueue(jobs)
            for number, step in ((1, w.drain), (2, lambda: None)):
                w.mark()
                wait_for(lambda n=number: watch.parts(pid) == n, "the mark", DEADLINE_S)
                step()
            child, = w.worker.children()
            os.kill(child, signal.SIGTERM)  # one that is killed writes nothing
            wait_for(lambda: watch.has_ended(child), "the executor's figures", DEADLINE_S)
            sent = w.sent
        executor = watch.part(child)
        return watch.part(pid, 2), executor.under("wh_host_serve") / sent, executor


def watch_produce(orgs, jobs):
    """callgrind's part of a producer's whole life."""
    with tempfile.TemporaryDirectory(prefix="wh-bench-") as folder:
        watch = callgrind.Watch(folder, MARK)
        with Working(orgs) as w:
            w.produce(jobs, watch.words)
        pid, = watch.pids()
        return watch.part(pid)
