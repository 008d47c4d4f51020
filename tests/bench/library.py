# SPDX-License-Identifier: Apache-2.0
"""The function library on a private Redis, called as producers and a worker call it.

No programs of Wherry run here: what is measured is what the functions cost Redis. One
Library is one fresh server in a temporary folder; close() ends it. Jobs are no-ops
with 100 bytes of payload whose orgs take turns, so that a call meets as many orgs as
it can: the dearest order there is. With `steps_ms` Redis' clock is ours: it stands still
during a call and goes on by so much before the next, so that what the functions learn of
time, and with it what they do, is the same in every run.
"""
import collections
import os
import shutil
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "fault"))
from fleet import BUILD, Process, wait_for  # noqa: E402
from resp import Client, RedisError, head  # noqa: E402

KEY = "wh:{eu:bench}"
PAYLOAD = b"x" * 100
CALL = 1000  # jobs of a wh1_enqueue_batch, as wh_client_enqueue_batch cuts them
DEADLINE_S = 600  # of one call; under valgrind they are slow
NOT_WORK = ("fcall", "config", "info", "function", "echo")  # commands that no function runs
START_MS = 1750000000000  # where a clock of ours starts


def _id(number):
    return struct.pack(">QQ", 0x0190000000007000 + number // 1000, 0x8000000000000000 + number)


class Library:
    def __init__(self, orgs, wrap=(), steps_ms=None, limits=()):
        """wrap: words of a command that runs the server (valgrind …); limits: settings,
        as `active:org/*=100`."""
        self.server = self.client = None
        self.steps_ms, self.now_ms = steps_ms, START_MS
        source = os.path.join(BUILD, "generated",
                              "wherry_1_test.lua" if steps_ms else "wherry_1.lua")
        if not os.path.exists(source):
            sys.exit(f"{source} is missing: build first, or name the build in WH_BUILD_DIR")
        self.folder = tempfile.mkdtemp(prefix="wh-bench-")
        self.orgs = [f"org-{i:05d}" for i in range(orgs)]
        # Without a priority, as libwherry sends it where none is asked for.
        self.heads = [head("noop", org, None) for org in self.orgs]
        self.sent = 0
        path = os.path.join(self.folder, "redis.sock")
        try:
            self.server = Process("redis", [
                *wrap, "redis-server", "--port", "0", "--unixsocket", path, "--save", "",
                "--dir", self.folder, "--appendonly", "no"], self.folder)
            wait_for(lambda: self._connect(path), "Redis to answer", 60)
            with open(source, "rb") as file:
                self.client("FUNCTION", "LOAD", file.read())
            if steps_ms:
                self.client("CONFIG", "SET", "hz", 1)  # less that comes by the real clock
            self.call("configure", "keep_count", 0)
            self.call("heartbeat", "w", 3600000, "new", "")
            for setting in limits:
                self.call("limit", *setting.rsplit("=", 1))
        except BaseException:
            self.close()
            raise

    def _connect(self, path):
        if not self.server.is_running():
            raise AssertionError("Redis ended: " + self.server.log()[-500:])
        try:
            self.client = Client(path, DEADLINE_S)
            return self.client("PING") == b"PONG"
        except (OSError, RedisError):
            return False

    def call(self, function, *args):
        if self.steps_ms:
            self.now_ms += self.steps_ms
            self.client("FCALL", "wh1_test_clock", 0, self.now_ms)
        return self.client("FCALL", f"wh1_{function}", 1, KEY, *args)

    # ---- work

    def enqueue(self, count, size=CALL, heads=None):
        """`count` jobs in calls of `size`, each org (or each of these heads) in turn."""
        heads, end = heads or self.heads, self.sent + count
        while self.sent < end:
            args = []
            for number in range(self.sent, min(end, self.sent + size)):
                args += [_id(number), heads[number % len(heads)], PAYLOAD]
            self.sent += len(args) // 3
            self.call("enqueue_batch", *args)

    def enqueue_records(self, count, size=CALL):
        """As libwherry sends `count` jobs of some orgs: records, of one org side by side. Needs
        steps_ms, and `size` more than orgs."""
        end, each = self.sent + count, size // len(self.orgs)
        while self.sent < end:
            stamp, groups, records = self.now_ms, [], []
            for org in self.orgs:
                groups += [head("noop", org, None), each]
                begin = struct.pack(">BQ", 0xcf, stamp) + head("noop", org, 5)
                for number in range(self.sent, self.sent + each):
                    records += [_id(number), begin + PAYLOAD]
                self.sent += each
            reply = self.call("enqueue_records", stamp, len(self.orgs), *groups, *records)
            if reply[2] != 1:
                raise AssertionError(f"the records were not stored as they are: {reply}")

    def enqueue_singly(self, count):
        """`count` jobs one by one, as a producer without a library calls: wh1_enqueue, no id."""
        end = self.sent + count
        while self.sent < end:
            self.call("enqueue", "noop", PAYLOAD, "ORG", self.orgs[self.sent % len(self.orgs)])
            self.sent += 1

    def work(self, want, in_flight):
        """Claims `want` jobs a call while `in_flight` run, and finishes the oldest ones in the
        same calls, till nothing is left. Returns how many were finished."""
        return sum(self.steps(want, in_flight))

    def steps(self, want, in_flight):
        """The calls of work() one by one: jobs that each has finished."""
        running, has_more = collections.deque(), True
        while has_more:
            ends = [running.popleft() for _ in range(min(
                len(running), max(0, len(running) + want - in_flight)))]
            claimed = self.call("cycle", "w", want, len(ends), *ends)[4][0::3]
            running.extend(claimed)
            has_more = len(claimed) > 0
            yield len(ends)
        while running:
            ends = [running.popleft() for _ in range(min(len(running), CALL))]
            self.call("cycle", "w", 0, len(ends), *ends)
            yield len(ends)

    # ---- figures

    def cpu(self):
        """CPU seconds of the server so far."""
        info = self._info("cpu")
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])

    def commands(self):
        """name -> (calls, usec) of what the functions ran since reset()."""
        found = {}
        for name, value in self._info("commandstats").items():
            name = name.removeprefix("cmdstat_")
            if name.split("|")[0] not in NOT_WORK:
                fields = dict(part.split("=") for part in value.split(","))
                found[name] = (int(fields["calls"]), int(fields["usec"]))
        return found

    def mark(self):
        """Tells a tool that watches the server: here something begins or ends."""
        self.client("ECHO", "mark")

    def reset(self):
        self.client("CONFIG", "RESETSTAT")

    def _info(self, section):
        text = self.client("INFO", section).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    # ---- the end

    def memory(self):
        """Bytes that Redis holds, less the buffers of its clients."""
        info = self._info("memory")
        return int(info["used_memory"]) - int(info["mem_clients_normal"])

    def shutdown(self):
        """Ends the server in order (valgrind writes its sums then); its log."""
        try:
            self.client("SHUTDOWN", "NOSAVE")
        except OSError:
            pass
        self.server.wait(DEADLINE_S)
        return self.server.log()

    def close(self):
        if self.client:
            self.client.close()
        if self.server and self.server.is_running():
            self.server.kill9()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
