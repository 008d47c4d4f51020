#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`wherry audit`: what it finds, what it warns of, what is left when nobody hears the answer."""
import os
import socket
import threading

from cli_case import DEADLINE_S, P, CliCase, main


class CutAt(threading.Thread):
    """A proxy for one connection to Redis, which it ends when a request holds the word."""

    def __init__(self, path, redis, word):
        super().__init__(daemon=True)
        self.redis, self.word = redis, word
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(1)
        self.server.settimeout(DEADLINE_S)
        self.start()

    def run(self):
        with self.server, self.server.accept()[0] as client, \
                socket.socket(socket.AF_UNIX) as server:
            server.connect(self.redis)
            answers = threading.Thread(target=self.pump, args=(server, client), daemon=True)
            answers.start()
            self.pump(client, server, self.word)
            server.shutdown(socket.SHUT_RDWR)
            answers.join(DEADLINE_S)

    @staticmethod
    def pump(source, to, word=None):
        try:
            while True:
                data = source.recv(65536)
                if not data or (word and word in data):
                    return
                to.sendall(data)
        except OSError:
            return


class Audit(CliCase):
    def test_audit(self):
        self.enqueue("t", "--count", "3")
        self.assertIn("3 jobs, no problem", self.wherry("audit").out)
        self.redis.call("HSET", P + ":active", "ghost", "2")
        done = self.wherry("audit", "--json", status=1).lines()
        self.assertEqual(len(done[0]["problems"]), 1)
        done = self.wherry("audit", "--max-jobs", "2", status=65)
        self.assertIn("about 7 us a job", done.err)
        self.redis.call("HDEL", P + ":active", "ghost")
        self.assertNotIn("lease", self.wherry("audit", "--max-jobs", "500000").err)
        self.assertIn("leases (15s", self.wherry("audit", "--max-jobs", "2000000").err)

    def test_an_answer_that_does_not_come(self):
        """The connection ends while Redis is at it: it doesn't stop because of that."""
        self.enqueue("t")
        path = os.path.join(self.home, "proxy.sock")
        cut = CutAt(path, self.redis.path, b"wh1_audit")
        done = self.wherry("audit", status=75, env={"REDIS_URL": "unix://" + path})
        cut.join(DEADLINE_S)
        self.assertIn("may still be running in Redis", done.err)


if __name__ == "__main__":
    main()
