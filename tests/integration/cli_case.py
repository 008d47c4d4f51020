# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command line share: a private Redis, `wherry` runs, a worker's calls."""
import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = os.environ.get("WH_SOURCE_DIR") or os.path.realpath(
    os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("WH_BUILD_DIR") or os.path.join(ROOT, "build")
WHERRY = os.path.join(BUILD, "bin", "wherry")
SERVER = os.environ.get("WH_REDIS_SERVER", "redis-server")
DEADLINE_S = 30
P = "wh:{any:default}"
SKIPPED = 77


def main():
    """Runs the caller's tests; without a server or the program they are skipped."""
    if not os.path.isfile(WHERRY) or shutil.which(SERVER) is None:
        print(f"needs {WHERRY} and {SERVER}")
        sys.exit(SKIPPED)
    unittest.main(verbosity=1)


def wait_for(what, condition):
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {DEADLINE_S} s: {what}")


class Redis:
    """A redis-server on a unix socket, and a connection to it that speaks RESP."""

    def __init__(self, *extra):
        self.dir = tempfile.mkdtemp(prefix="wh-cli-")
        self.path = os.path.join(self.dir, "r.sock")
        self.process = subprocess.Popen(
            [SERVER, "--port", "0", "--unixsocket", self.path, "--dir", self.dir, "--save", "",
             "--logfile", os.path.join(self.dir, "log"), *extra])
        self.file = None
        wait_for("redis answers", self.connect)

    def connect(self):
        link = socket.socket(socket.AF_UNIX)
        try:
            link.connect(self.path)
        except OSError:
            link.close()
            return False
        self.file = link.makefile("rwb")
        link.close()
        return self.call("PING") == "PONG"

    def stop(self):
        self.file.close()
        self.process.terminate()
        self.process.wait(DEADLINE_S)
        shutil.rmtree(self.dir)

    def call(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        parts = [b"*%d\r\n" % len(words)]
        parts += [b"$%d\r\n%s\r\n" % (len(w), w) for w in words]
        self.file.write(b"".join(parts))
        self.file.flush()
        return self.read()

    def read(self):
        line = self.file.readline()[:-2]
        kind, rest = line[:1], line[1:].decode()
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"-":
            raise RuntimeError(rest)
        if kind == b"$":
            return None if rest == "-1" else self.file.read(int(rest) + 2)[:-2]
        return [self.read() for _ in range(int(rest))]

    # ---- what a worker does ----

    def heartbeat(self, worker, mode="new", partition=P, info=""):
        return self.call("FCALL", "wh1_heartbeat", 1, partition, worker, 60000, mode, info)

    def claim(self, worker, n, partition=P):
        """Tokens of n claimed jobs."""
        claimed = self.call("FCALL", "wh1_cycle", 1, partition, worker, n, 0)[4]
        return claimed[::3]

    def finish(self, worker, token, outcome, partition=P, **more):
        fields = [more.get(k, "") for k in ("delay", "category", "message", "context", "result")]
        fields[0] = fields[0] or 0
        self.call("FCALL", "wh1_cycle", 1, partition, worker, 0, 0, token, outcome, *fields)


class Proxy(threading.Thread):
    """For one connection to Redis: when a request holds the word, it is passed on if what is
    called then says so, else the connection ends."""

    def __init__(self, path, redis, word, called):
        super().__init__(daemon=True)
        self.redis, self.word, self.called = redis, word, called
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

    def pump(self, source, to, word=None):
        try:
            while True:
                data = source.recv(65536)
                if not data or (word and word in data and not self.called()):
                    return
                to.sendall(data)
        except OSError:
            return


class Run:
    def __init__(self, done):
        self.status, self.raw = done.returncode, done.stdout
        self.out = done.stdout.decode("utf-8", "replace")
        self.err = done.stderr.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.out)

    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


class CliCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.redis = Redis()

    @classmethod
    def tearDownClass(cls):
        cls.redis.stop()

    def terminal(self):
        """A pseudo-terminal's two ends; a root folder without /dev/pts has none."""
        try:
            return pty.openpty()
        except OSError as error:
            self.skipTest(f"no terminal here: {error}")

    def on_terminal(self, *words, **env):
        """What it prints to a terminal."""
        ours, theirs = self.terminal()
        process = subprocess.Popen([WHERRY, *words], stdin=theirs, stdout=theirs, stderr=theirs,
                                   env=self.env(**env))
        os.close(theirs)
        out = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            out += piece
        os.close(ours)
        self.assertEqual(process.wait(DEADLINE_S), 0)
        return out.decode()

    def setUp(self):
        self.redis.call("FLUSHALL")
        self.home = tempfile.mkdtemp(prefix="wh-home-")
        self.addCleanup(shutil.rmtree, self.home)

    def env(self, **more):
        keep = {k: v for k, v in os.environ.items()
                if not k.startswith(("WHERRY_", "REDIS_", "XDG_", "NO_COLOR"))}
        keep.update({"REDIS_URL": "unix://" + self.redis.path, "HOME": self.home,
                     "TERM": "xterm"}, **more)
        return {k: v for k, v in keep.items() if v is not None}

    def wherry(self, *words, stdin=b"", status=0, env=None, program=WHERRY):
        """Runs it; a wrong exit status fails the test with what was printed."""
        done = Run(subprocess.run([program, *words], input=stdin, capture_output=True,
                                  env=self.env(**(env or {})), timeout=DEADLINE_S, check=False))
        self.assertEqual(done.status, status,
                         f"wherry {' '.join(words)}\n{done.out}\n{done.err}")
        return done

    def enqueue(self, *words, **more):
        return self.wherry("job", "enqueue", *words, **more).out.strip()

    def kill_jobs(self, n, *flags, category="timeout", message="took too long"):
        """Makes n dead jobs in any:default; returns their ids."""
        ids = [self.enqueue("t.dead", f"payload {i}", *flags) for i in range(n)]
        self.redis.heartbeat("w1")
        for token in self.redis.claim("w1", n):
            self.redis.finish("w1", token, "dead", category=category, message=message)
        return ids
