#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`wherry audit`: what it finds, what it warns of, what is left when nobody hears the answer."""
import os

from cli_case import DEADLINE_S, P, CliCase, Proxy, main


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
        cut = Proxy(path, self.redis.path, b"wh1_audit", lambda: False)
        done = self.wherry("audit", status=75, env={"REDIS_URL": "unix://" + path})
        cut.join(DEADLINE_S)
        self.assertIn("may still be running in Redis", done.err)


if __name__ == "__main__":
    main()
