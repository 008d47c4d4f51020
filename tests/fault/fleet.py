# SPDX-License-Identifier: Apache-2.0
"""A fleet of real processes for the fault tests: Redis, workers, schedulers.

Everything lives in one temporary folder and dies with the test (parent-death
signal); the test process is the subreaper of all, so that what a fault leaves
behind can be counted. Jobs are journalled before they are sent and when they are
acknowledged; check_all() holds the journal against what Redis says in the end.
"""
import ctypes
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

import aof
from resp import Client, RedisError, head, table

SKIPPED = 77
HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.realpath(os.environ.get("WH_SOURCE_DIR") or os.path.join(HERE, "..", ".."))
BUILD = os.environ.get("WH_BUILD_DIR") or os.path.join(SOURCE, "build")
BIN = os.path.join(BUILD, "bin")
HANDLERS = os.path.join(HERE, "handlers")
PLUGIN = os.path.join(BUILD, "lib", "wherry", "test-plugins", "fault_plugin.so")
SANITIZED = "ASAN_OPTIONS" in os.environ  # memory figures tell nothing then
DEADLINE_S = 120 if SANITIZED else 60  # a busy machine stalls; only a failure waits so long
# Loses its claims soon after it is lost. All others outlast a stall of the machine.
SHORT_LEASE = ("--lease", "3s")
SEED = int(os.environ.get("WH_SEED") or random.SystemRandom().randrange(1 << 32))
PARTITION = "wh:{eu:default}"
STATES = ("completed", "failed", "cancelled", "expired")

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def need(*programs):
    for program in programs:
        if not os.access(os.path.join(BIN, program), os.X_OK):
            print(f"{program} is not built: skipped")
            sys.exit(SKIPPED)
    if shutil.which("redis-server") is None:
        print("redis-server is not installed: skipped")
        sys.exit(SKIPPED)


def wait_for(condition, what, deadline_s=None):
    """The first true value of condition(); AssertionError naming `what` otherwise."""
    end = time.monotonic() + (deadline_s or DEADLINE_S)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for: {what}; last seen: {value!r}")
        time.sleep(0.02)


def processes():
    """pid -> (parent, state, name) of all processes there are."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                    text = file.read()
            except OSError:
                continue
            name = text[text.index("(") + 1:text.rindex(")")]
            state, parent = text[text.rindex(")") + 2:].split()[:2]
            found[int(entry)] = (int(parent), state, name)
    return found


def descendants(root):
    """Living processes below root: pid -> name."""
    everybody, below, fresh = processes(), {}, [root]
    while fresh:
        parent = fresh.pop()
        for pid, (its_parent, state, name) in everybody.items():
            if its_parent == parent and pid not in below:
                if state not in "ZX":
                    below[pid] = name
                fresh.append(pid)
    return below


class Process:
    """One program of the fleet, its log, and its HTTP listener."""

    def __init__(self, name, argv, folder, env=None, stderr=None):
        self.name = name
        self.log_path = os.path.join(folder, f"{name}.log")
        self._read, self._rest, self._events = 0, b"", []
        inherited = {k: v for k, v in os.environ.items()
                     if not k.startswith("WHERRY_") and k not in ("REDIS_URL", "LOG_LEVEL")}
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(
                argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=stderr or log,
                env={**inherited, **(env or {})}, preexec_fn=die_with_parent)
        self.pid = self.child.pid

    def send(self, signo):
        os.kill(self.pid, signo)

    def kill9(self):
        self.child.kill()
        self.child.wait()

    def is_running(self):
        return self.child.poll() is None

    def wait(self, deadline_s=None):
        """Its exit status (negative: the signal)."""
        wait_for(lambda: self.child.poll() is not None, f"end of {self.name}", deadline_s)
        return self.child.returncode

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def events(self, name):
        """The log's lines with this event, as dicts."""
        with open(self.log_path, "rb") as file:
            file.seek(self._read)
            fresh = file.read()
        self._read += len(fresh)
        lines = (self._rest + fresh).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line.startswith(b"{"):
                try:
                    self._events.append(json.loads(line))
                except ValueError as error:
                    raise AssertionError(f"{self.name}: broken log line {line[:200]!r}") from error
        return [e for e in self._events if e.get("event") == name]

    def wait_event(self, name, count=1, deadline_s=None):
        wait_for(lambda: not self.is_running() or len(self.events(name)) >= count,
                 f"event {name} of {self.name}", deadline_s)
        if len(self.events(name)) < count:
            raise AssertionError(f"{self.name} ended with {self.child.returncode} before {name}")
        return self.events(name)[count - 1]

    def http(self, path):
        """(status, body) of its own listener."""
        port = self.wait_event("metrics.listening")["port"]
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=DEADLINE_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metric(self, name):
        """Sum of all series of this name."""
        total = 0.0
        for line in self.http("/metrics")[1].splitlines():
            if line.startswith((name + " ", name + "{")):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def rss(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def children(self):
        return descendants(self.pid)


class Fleet:
    def __init__(self, appendfsync="no", redis_options=()):
        self.folder = tempfile.mkdtemp(prefix="wh-fault-")
        self.socket = os.path.join(self.folder, "redis.sock")
        self.journal = os.path.join(self.folder, "journal")
        self.url = f"unix://{self.socket}"
        self.processes, self.redis_process, self._client = [], None, None
        self.helpers = []  # with stop()
        self.sent, self.acked = set(), set()
        self.redis_options = ["--appendonly", "yes" if appendfsync else "no"]
        if appendfsync:
            self.redis_options += ["--appendfsync", appendfsync]
        self.redis_options += list(redis_options)

    # ---- Redis

    def start_redis(self, load=True):
        aof.mend(self.folder)
        argv = ["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.folder,
                "--save", "", "--maxmemory-policy", "noeviction", *self.redis_options]
        self.redis_process = Process("redis", argv, self.folder)
        wait_for(self._redis_answers, "Redis to answer")
        if load:
            self.load_library()

    def _redis_answers(self):
        try:
            return self.redis("PING") == b"PONG"
        except (OSError, RedisError):
            return False

    def kill9_redis(self):
        self.redis_process.kill9()
        self.drop_client()

    def load_library(self):
        with open(os.path.join(BUILD, "generated", "wherry_1.lua"), "rb") as file:
            self.redis("FUNCTION", "LOAD", "REPLACE", file.read())

    def redis(self, *args):
        """One command on the test's own connection; a broken one is made anew next time."""
        try:
            if self._client is None:
                self._client = Client(self.socket)
            return self._client(*args)
        except OSError:
            self.drop_client()
            raise

    def drop_client(self):
        if self._client:
            self._client.close()
        self._client = None

    def fcall(self, name, *args, key=PARTITION):
        return self.redis("FCALL", name, 1, key, *args)

    def stats(self, key=PARTITION):
        return table(self.fcall("wh1_stats", key=key))

    def job(self, job_id, key=PARTITION):
        """Fields of a job as text; None when it is unknown."""
        try:
            record = table(self.fcall("wh1_job", job_id, key=key))
        except RedisError as error:
            if error.word == "WHNOTFOUND":
                return None
            raise
        return {k: v.decode(errors="replace") for k, v in record.items()}

    def configure(self, **settings):
        self.fcall("wh1_configure", *[x for pair in settings.items() for x in pair])

    def keep_all(self):
        """So that check_all sees every finished job."""
        self.configure(keep_count=1000000)

    # ---- programs

    def start(self, program, name, *options, env=None, wrap=(), stderr=None):
        """wrap: words of a command that execs what follows."""
        argv = [*wrap, os.path.join(BIN, program), "--redis-url", self.url, "--name", name,
                "--metrics-listen", "127.0.0.1:0", "--log-format", "json", *options]
        process = Process(name, argv, self.folder, {"FAULT_JOURNAL": self.journal, **(env or {})},
                          stderr)
        self.processes.append(process)
        return process

    def worker_config(self, handlers):
        """handlers: type -> run text or dict of settings. JSON is YAML enough."""
        handle, path = tempfile.mkstemp(suffix=".yaml", dir=self.folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write("handlers:\n")
            for kind, settings in handlers.items():
                if isinstance(settings, str):
                    settings = {"run": settings}
                file.write(f"  {json.dumps(kind)}:\n")
                for key, value in settings.items():
                    file.write(f"    {key}: {json.dumps(value)}\n")
        return path

    def start_worker(self, name, handlers, *options, ready=True, **more):
        """Test profile: lease 60 s, heartbeat 0.5 s, drain 5 s; options (pairs) win."""
        given = {"--lease": "60s", "--heartbeat": "500ms", "--drain-timeout": "5s",
                 **dict(zip(options[::2], options[1::2]))}
        process = self.start(
            "wherry-worker", name, "-c", self.worker_config(handlers), "--region", "eu",
            *[word for pair in given.items() for word in pair], **more)
        if ready:
            wait_for(lambda: self.is_ready(process), f"{name} to be ready")
        return process

    def start_scheduler(self, name="scheduler", *options):
        return self.start("wherry-scheduler", name, "--discover-interval", "200ms",
                          "--recover-interval", "200ms", "--partitions", "eu:default", *options)

    @staticmethod
    def is_ready(process):
        if not process.is_running():
            raise AssertionError(f"{process.name} ended with {process.child.returncode}")
        try:
            return process.http("/readyz")[0] == 200
        except OSError:
            return False

    # ---- jobs

    def enqueue(self, count, kind, payload=b"", batch=500, **options):
        """Ids in order. payload: bytes, or a function of the number. Every id is in
        self.sent before and in self.acked after Redis answered."""
        ids = []
        for first in range(0, count, batch):
            args, part = [], []
            for number in range(first, min(count, first + batch)):
                job = uuid.uuid4()
                part.append(str(job))
                args += [job.bytes, head(kind, **options),
                         payload(number) if callable(payload) else payload]
            self.sent.update(part)
            self.fcall("wh1_enqueue_batch", *args)
            self.acked.update(part)
            ids += part
        return ids

    def enqueue_one(self, kind, payload=b"", **options):
        return self.enqueue(1, kind, payload, **options)[0]

    def runs(self, job_id=None):
        """Lines of the handlers' journal as (what, id, attempt, fence, pid)."""
        try:
            with open(self.journal, encoding="ascii") as file:
                lines = [tuple(line.split()) for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []
        return [r for r in lines if job_id is None or r[1] == job_id]

    def started(self, job_id, count=1):
        return sum(r[0] == "start" for r in self.runs(job_id)) >= count

    def wait_started(self, jobs, count=1):
        for job in jobs:
            wait_for(lambda j=job: self.started(j, count), f"start {count} of {job}")

    def open_gate(self, fence=None):
        """Lets runs of payload "hold" go on: all, now and later, or those of this fence."""
        with open(f"{self.journal}.open" + (f".{fence}" if fence else ""), "wb"):
            pass

    def unfinished(self, key=PARTITION):
        s = self.stats(key)
        return s["pending"] + s["scheduled"] + s["in_progress"]

    def wait_drained(self, deadline_s=None):
        def is_drained():
            try:
                return self.unfinished() == 0
            except (OSError, RedisError):
                return False
        wait_for(is_drained, "all jobs to end", deadline_s)

    def finished(self, key=PARTITION):
        """id -> its terminal states (a list: there must be one)."""
        found = {}
        for state in STATES:
            cursor = b"-"
            while cursor:
                cursor, *records = self.fcall("wh1_jobs", state, cursor, 1000, key=key)
                for record in records:
                    found.setdefault(table(record)["id"].decode(), []).append(state)
        return found

    def check_all(self):
        """No acknowledged job lost, none finished twice, all indices agree."""
        found = self.finished()
        lost = [i for i in self.acked if i not in found]
        twice = {i: s for i, s in found.items() if len(s) != 1}
        foreign = [i for i in found if i not in self.sent]
        completed = sum(s == ["completed"] for s in found.values())
        counted = self.stats()["completed"]
        audit = self.fcall("wh1_audit", 1000000)
        problems = [
            (lost, f"{len(lost)} acknowledged jobs are lost, e.g. {lost[:3]}"),
            (twice, f"jobs in several states: {dict(list(twice.items())[:3])}"),
            (foreign, f"jobs that nobody enqueued: {foreign[:3]}"),
            (counted != completed, f"{counted} accepted finishes, {completed} completed jobs"),
            (len(audit) > 1, f"audit: {audit[1:4]}"),
        ]
        wrong = [text for bad, text in problems if bad]
        if wrong:
            raise AssertionError("; ".join(wrong))
        return found

    # ---- the end

    def stop(self):
        """Ends everything; AssertionError when a program does not end well."""
        bad = []
        self.open_gate()
        for helper in self.helpers:
            helper.stop()
        running = [p for p in self.processes if p.is_running()]
        for process in running:
            process.send(signal.SIGCONT)
            process.send(signal.SIGTERM)
        for process in running:
            try:
                status = process.wait()
            except AssertionError:
                process.kill9()
                bad.append(f"{process.name} did not end on SIGTERM")
                continue
            if status != 0:
                bad.append(f"{process.name} ended with {status}")
        self.drop_client()
        if self.redis_process and self.redis_process.is_running():
            self.redis_process.kill9()
        left = self.leftovers()
        if left:
            bad.append(f"left behind: {left}")
        if bad:
            raise AssertionError("; ".join(bad))

    @staticmethod
    def leftovers():
        """Processes that nobody ended, after a moment for them to vanish; they are killed."""
        def reap():
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                pass
            return descendants(os.getpid())
        end = time.monotonic() + 15
        while reap() and time.monotonic() < end:
            time.sleep(0.02)
        left = reap()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return left

    def tell(self):
        for process in self.processes:
            print(f"---- {process.name}: end of log", flush=True)
            print("\n".join(process.log().splitlines()[-15:]), flush=True)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class FaultTest(unittest.TestCase):
    """self.fleet with Redis running; the end of each test stops and checks it."""
    redis = {}
    maxDiff = None

    def setUp(self):
        self.fleet = Fleet(**self.redis)
        self.addCleanup(self.fleet.remove)
        self.addCleanup(self._stop)
        self.fleet.start_redis()
        self.fleet.keep_all()

    def _stop(self):
        failed = not self._outcome.success
        try:
            self.fleet.stop()
        except AssertionError:
            self.fleet.tell()
            raise
        if failed:
            self.fleet.tell()


def exec_handler(*words):
    return " ".join(["exec:python3", os.path.join(HANDLERS, "fault_exec.py"), *words])


def command_handler():
    return "command:" + os.path.join(HANDLERS, "fault_command.sh")


def native_handler():
    return "native:" + PLUGIN


def main():
    need("wherry-worker", "wherry-scheduler")
    print(f"seed {SEED} (WH_SEED repeats it)", flush=True)
    random.seed(SEED)
    unittest.main(verbosity=2)
