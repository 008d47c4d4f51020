#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The function library as `wherry` sees it: missing, somebody else's, on a replica, forbidden."""
from cli_case import CliCase, Redis, main


class Functions(CliCase):
    def test_functions(self):
        self.redis.call("FUNCTION", "FLUSH")
        self.wherry("functions", "status", status=3)
        self.assertTrue(self.wherry("functions", "load", "--json").json()["loaded_now"])
        self.assertEqual(self.wherry("functions", "status", "--json").json()["state"], "same")

    def test_a_load_that_this_user_may_not_do(self):
        self.wherry("functions", "load")
        self.redis.call("ACL", "SETUSER", "reader", "on", ">x", "~*", "&*", "+@all",
                        "-function|load")
        self.addCleanup(self.redis.call, "ACL", "DELUSER", "reader")
        env = {"WHERRY_REDIS_USER": "reader", "WHERRY_REDIS_PASSWORD": "x"}
        self.assertEqual(self.wherry("functions", "status", "--json", env=env).json()["state"], "same")
        done = self.wherry("functions", "load", "--force", status=77, env=env)
        self.assertIn("this Redis user may not load the function library: ", done.err)
        self.redis.call("FUNCTION", "FLUSH")
        done = self.wherry("functions", "load", status=77, env=env)
        self.assertIn("missing or old, and this Redis user may not load it: ", done.err)

    def test_a_replica_is_told_from_a_redis_that_is_away(self):
        replica = Redis("--replicaof", "127.0.0.1", "1")
        self.addCleanup(replica.stop)
        for words in (("functions", "load"), ("queue", "list"), ("job", "enqueue", "t")):
            done = self.wherry(*words, status=75, env={"REDIS_URL": "unix://" + replica.path})
            self.assertIn("is a read-only replica; give --redis the address of its primary",
                          done.err)
            self.assertNotIn("can't reach", done.err)

    def test_foreign_function_of_that_name(self):
        self.addCleanup(self.wherry, "functions", "load")
        self.addCleanup(self.redis.call, "FUNCTION", "FLUSH")
        for body in ("return 'x'", "return {}", "return {1, 1, '\\27]0;x\\7'}", "error('boom')",
                     "return {2, 5, 'ab'}", "return redis.error_reply('BAD x')"):
            self.redis.call("FUNCTION", "FLUSH")
            self.redis.call("FUNCTION", "LOAD", "#!lua name=theirs\nredis.register_function{"
                            "function_name='wh1_version', flags={'no-writes'}, "
                            "callback=function() %s end}" % body)
            for verb in ("status", "load"):
                done = self.wherry("functions", verb, "--json", status=69)
                self.assertIn("somebody else's", done.err)
                self.assertNotIn("\033", done.err)
                self.assertEqual(done.out, "")
            library = [c for c in self.wherry("doctor", "--json", status=1).json()["checks"]
                       if c["check"] in ("library", "redis")]
            self.assertIn("fail", [c["state"] for c in library], body)


if __name__ == "__main__":
    main()
