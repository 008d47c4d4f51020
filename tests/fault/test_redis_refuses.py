#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Redis answers, but with an error: BUSY, NOREPLICAS, READONLY, NOAUTH.

Under load, for longer than a lease; afterwards all goes on by itself, nothing is lost
and nothing is finished twice.
"""
import os
import signal
import time

from fleet import SHORT_LEASE, Client, FaultTest, RedisError, main, native_handler, wait_for
from producer import Producer

# Spins without a write, as long as nobody kills it.
SPIN = b"""#!lua name=spin
redis.register_function{function_name='spin', flags={'no-writes'}, callback=function()
    while true do end
end}
"""


class RedisRefuses(FaultTest):
    redis = {"appendfsync": "everysec"}

    def begin(self):
        self.programs = [self.fleet.start_worker(n, {"*": native_handler()}, *SHORT_LEASE)
                         for n in ("a", "b")]
        self.programs.append(self.fleet.start_scheduler())
        self.producer = Producer(self.fleet, 3000, "work", b"sleep 1", batch=20, ahead=200)
        wait_for(lambda: self.fleet.stats()["completed"] >= 300, "300 jobs")

    def refuses(self, word):
        """Redis is in the state that the test wants: a write is refused so."""
        def told():
            client = Client(self.fleet.socket)
            try:
                client("SET", "unrelated", "x")
            except RedisError as error:
                return word in str(error)
            finally:
                client.close()
            return False
        wait_for(told, f"Redis to refuse with {word}")

    def end(self):
        self.producer.finish()
        self.fleet.wait_drained()
        found = self.fleet.check_all()
        self.assertEqual(len(found), 3000)
        for program in self.programs:
            self.assertTrue(program.is_running())
            wait_for(lambda p=program: self.fleet.is_ready(p), f"{program.name} to be ready")
            self.assertLess(program.log().count("\n"), 1000)

    def stay(self, seconds):
        """The trouble lasts; everybody stays alive meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for program in self.programs:
                self.assertTrue(program.is_running())
                self.assertEqual(program.http("/livez")[0], 200)
            time.sleep(0.1)

    def test_busy(self):
        self.begin()
        self.fleet.redis("FUNCTION", "LOAD", SPIN)
        self.fleet.redis("CONFIG", "SET", "busy-reply-threshold", 50)
        spinner = os.fork()
        if spinner == 0:
            try:
                Client(self.fleet.socket)("FCALL", "spin", 0)
            except (OSError, RedisError):
                pass
            os._exit(0)
        self.refuses("BUSY")
        self.stay(4)
        self.fleet.redis("FUNCTION", "KILL")
        os.waitpid(spinner, 0)
        self.end()

    def test_no_replicas(self):
        self.begin()
        self.fleet.redis("CONFIG", "SET", "min-replicas-to-write", 1)
        self.refuses("NOREPLICAS")
        self.stay(4)
        self.fleet.redis("CONFIG", "SET", "min-replicas-to-write", 0)
        self.end()

    def test_read_only(self):
        """It became a replica, as in a failover that is taken back."""
        self.begin()
        self.fleet.redis("REPLICAOF", "127.0.0.1", 1)
        self.refuses("READONLY")
        self.stay(4)
        self.fleet.redis("REPLICAOF", "NO", "ONE")
        self.end()

    def test_replica_from_the_start(self):
        """Nobody is told for ever that it was reached, nor that a worker left that never was there."""
        self.fleet.redis("REPLICAOF", "127.0.0.1", 1)
        scheduler = self.fleet.start_scheduler()
        worker = self.fleet.start_worker("w", {"*": native_handler()}, ready=False)

        def connections():
            told = self.fleet.redis("INFO", "stats").decode()
            return int(told.split("total_connections_received:")[1].split()[0])
        wait_for(lambda: connections() >= 24, "programs to have tried often")
        for program in (scheduler, worker):
            self.assertIn("this server is a read-only replica", program.events("redis.waiting")[0]["why"])
            told = [(e["connection"], e.get("name")) for e in program.events("redis.ready")]
            self.assertLessEqual(len(told), 6, told)
            program.send(signal.SIGTERM)
            self.assertIn(program.wait(), (0, 69))
        self.assertEqual(worker.events("worker.left"), [])

    def test_password_changed(self):
        """Connections are closed and new ones refused; with the old password all is well."""
        self.begin()
        self.fleet.redis("CONFIG", "SET", "requirepass", "changed")
        self.fleet.redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.refuses("NOAUTH")
        wait_for(lambda: all(p.http("/readyz")[0] == 503 for p in self.programs), "readyz")
        wait_for(lambda: "password" in self.programs[0].http("/readyz")[1], "readyz to tell why")
        self.stay(4)
        self.fleet.redis("CONFIG", "SET", "requirepass", "")
        self.end()


if __name__ == "__main__":
    main()
