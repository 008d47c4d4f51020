# SPDX-License-Identifier: Apache-2.0
"""A producer in a process of its own that never gives up: it repeats a batch, by the
same ids, until Redis answers. What it sent and what was acknowledged stands in files.
"""
import os
import time
import uuid

from fleet import PARTITION, die_with_parent, wait_for
from resp import Client, RedisError, head


class Producer:
    def __init__(self, fleet, count, kind, payload=b"", batch=100, pause_s=0.0):
        self.fleet, self.count, self.kind, self.payload = fleet, count, kind, payload
        self.batch, self.pause_s = batch, pause_s
        self.paths = [os.path.join(fleet.folder, f"producer-{uuid.uuid4().hex}.{what}")
                      for what in ("sent", "acked", "errors")]
        self.status = None
        self.pid = os.fork()
        if self.pid == 0:
            die_with_parent()
            status = 1
            try:
                self._run()
                status = 0
            finally:
                os._exit(status)

    def _run(self):
        sent, acked, errors = [open(p, "a", encoding="utf-8", buffering=1) for p in self.paths]
        client, left = None, self.count
        while left > 0:
            jobs = [uuid.uuid4() for _ in range(min(self.batch, left))]
            left -= len(jobs)
            args = []
            for job in jobs:
                args += [job.bytes, head(self.kind), self.payload]
            sent.write("".join(f"{j}\n" for j in jobs))
            while True:
                try:
                    client = client or Client(self.fleet.socket, 5)
                    client("FCALL", "wh1_enqueue_batch", 1, PARTITION, *args)
                    break
                except RedisError as error:
                    errors.write(f"{error}\n")
                except OSError as error:
                    client = None
                    errors.write(f"{error!r}\n")
                time.sleep(0.05)
            acked.write("".join(f"{j}\n" for j in jobs))
            time.sleep(self.pause_s)

    def is_done(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def errors(self):
        with open(self.paths[2], encoding="utf-8") as file:
            return file.read().splitlines()

    def finish(self, deadline_s=None):
        """Waits for its end and puts its journal into the fleet's."""
        wait_for(self.is_done, "the producer to end", deadline_s)
        if self.status != 0:
            raise AssertionError(f"the producer ended with {self.status}")
        for path, known in zip(self.paths, (self.fleet.sent, self.fleet.acked)):
            with open(path, encoding="utf-8") as file:
                known.update(file.read().split())
