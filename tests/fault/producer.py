# SPDX-License-Identifier: Apache-2.0
"""A producer in a process of its own that never gives up: it repeats a batch, by the
same ids, until Redis answers. What it sent and what was acknowledged stands in files.
"""
import os
import signal
import time
import uuid

from fleet import PARTITION, die_with_parent, wait_for
from resp import Client, RedisError, head, table

SENT, ACKED, ERRORS = range(3)


class Producer:
    def __init__(self, fleet, count, kind, payload=b"", batch=100, ahead=None):
        """ahead: no more than so many jobs wait at a time (None: as fast as it goes)."""
        self.fleet, self.count, self.kind, self.payload = fleet, count, kind, payload
        self.batch, self.ahead = batch, ahead
        self.paths = [os.path.join(fleet.folder, f"producer-{uuid.uuid4().hex}.{what}")
                      for what in ("sent", "acked", "errors")]
        self.status = None
        fleet.helpers.append(self)
        self.pid = os.fork()
        if self.pid == 0:
            die_with_parent()
            status = 1
            try:
                self._run()
                status = 0
            finally:
                os._exit(status)

    def _note(self, which, *lines):
        with open(self.paths[which], "a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def _run(self):
        client, left = None, self.count
        while left > 0:
            jobs = [uuid.uuid4() for _ in range(min(self.batch, left))]
            left -= len(jobs)
            args = []
            for job in jobs:
                args += [job.bytes, head(self.kind), self.payload]
            self._note(SENT, *jobs)
            while True:
                try:
                    client = client or Client(self.fleet.socket, 5)
                    if self.ahead and self._waiting(client) > self.ahead:
                        time.sleep(0.01)
                        continue
                    client("FCALL", "wh1_enqueue_batch", 1, PARTITION, *args)
                    break
                except RedisError as error:
                    self._note(ERRORS, error)
                except OSError as error:
                    if client:
                        client.close()
                    client = None
                    self._note(ERRORS, repr(error))
                time.sleep(0.05)
            self._note(ACKED, *jobs)
        if client:
            client.close()

    @staticmethod
    def _waiting(client):
        return table(client("FCALL", "wh1_stats", 1, PARTITION))["pending"]

    def is_done(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def stop(self):
        if not self.is_done():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.status = -signal.SIGKILL

    def errors(self):
        if not os.path.exists(self.paths[ERRORS]):
            return []
        with open(self.paths[ERRORS], encoding="utf-8") as file:
            return file.read().splitlines()

    def finish(self, deadline_s=None):
        """Waits for its end and puts its journal into the fleet's."""
        wait_for(self.is_done, "the producer to end", deadline_s)
        if self.status != 0:
            raise AssertionError(f"the producer ended with {self.status}")
        for path, known in zip(self.paths, (self.fleet.sent, self.fleet.acked)):
            with open(path, encoding="utf-8") as file:
                known.update(file.read().split())
