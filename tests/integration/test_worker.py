#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real worker against a real Redis: claiming, queues, commands, settings, HTTP.

What goes wrong on purpose is in tests/fault; this is the ordinary day.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "fault"))
from fleet import (BIN, BUILD, FaultTest, Process, command_handler, exec_handler,  # noqa: E402
                   main, wait_for)

NOOP = "native:" + os.path.join(BUILD, "lib", "wherry", "handlers", "noop.so")
ANY, EU, MAIL = "wh:{any:default}", "wh:{eu:default}", "wh:{eu:mail}"
EX_USAGE, EX_CONFIG = 2, 78
# An exec handler that tells and then waits to be cancelled; its last line is too long to keep.
TALKER = """
import json, os
def tell(**fields):
    os.write(4, json.dumps(fields, ensure_ascii=False).encode() + b"\\n")
for line in os.fdopen(3, "rb", 0):
    header = json.loads(line.lstrip(b"x"))
    if header["op"] == "hello":
        tell(op="ready", version=1, concurrency=1)
    elif header["op"] == "job":
        for percent, message in ((10, "begun"), (70, "nearly")):
            tell(op="progress", id=header["id"], percent=percent, message=message)
        for text in ("one", "two", "\u00e4" * 600):
            tell(op="log", id=header["id"], message=text)
    elif header["op"] == "cancel":
        tell(op="result", id=header["id"], status="retry")
    elif header["op"] == "shutdown":
        break
"""
# Says what the payload tells it to: a busy frame, other fields of the result, which is its process id.
OBEDIENT = """
import json, os
pipe = os.fdopen(3, "rb")
kept = []
def tell(body=b"", **fields):
    os.write(4, json.dumps({**fields, "body_len": len(body)}).encode() + b"\\n" + body)
for line in pipe:
    header = json.loads(line)
    body = pipe.read(header.get("body_len", 0))
    if header["op"] == "hello":
        tell(op="ready", version=1, concurrency=1)
    elif header["op"] == "job":
        order = json.loads(body)
        if "busy" in order:
            tell(op="busy", for_ms=order.pop("busy"))
        if "leak" in order:
            kept.append(b"x" * (order.pop("leak") << 20))
        tell(str(os.getpid()).encode(), **{"op": "result", "id": header["id"], "status": "ok", **order})
    elif header["op"] == "shutdown":
        break
"""


class Ordinary(FaultTest):
    def one(self, kind, *options, key=EU):
        return self.fleet.fcall("wh1_enqueue", kind, b"x", *options, key=key)[0].decode()

    def wait_status(self, job, status, key=EU):
        wait_for(lambda: self.fleet.job(job, key)["status"] == status, f"{job} to be {status}")

    def test_runs_jobs_of_its_region_and_of_any(self):
        self.fleet.fcall("wh1_configure", "keep_count", 1000, key=ANY)
        early = self.one("noop"), self.one("noop", key=ANY)
        worker = self.fleet.start_worker("w", {"noop": NOOP})
        self.wait_status(early[0], "completed")
        self.wait_status(early[1], "completed", ANY)
        wait_for(lambda: self.fleet.stats()["idle"] == 1, "the worker to be idle")
        for key in (EU, ANY):
            self.wait_status(self.one("noop", key=key), "completed", key)
        partitions = self.fleet.redis("FCALL_RO", "wh1_partitions", 1, "wh:{registry}")
        self.assertEqual({p.decode() for p in partitions}, {EU, ANY})
        self.assertEqual(worker.metric("region_worker_job_completed_total"), 4)
        self.assertEqual(worker.metric("region_worker_processed_total"), 4)
        self.assertEqual(worker.metric("region_worker_errors_total"), 0)

    def test_a_thousand_jobs_in_few_slots(self):
        self.fleet.enqueue(1000, "noop")
        worker = self.fleet.start_worker("w", {"*": NOOP}, "--slots", "3", "--no-also-any")
        self.fleet.wait_drained()
        self.fleet.check_all()
        self.assertEqual(worker.metric("wherry_fenced_total"), 0)
        self.assertEqual(worker.metric("wherry_leases_lost_total"), 0)

    def test_strict_order(self):
        """The second queue gets nothing while the first one has jobs."""
        config = self.fleet.worker_config({"*": exec_handler()})
        with open(config, "a", encoding="utf-8") as file:
            file.write("order: strict\nqueues:\n  mail: 1\n  default: 1\n")
        low = [self.one("x") for _ in range(5)]
        high = [self.one("x", key=MAIL) for _ in range(5)]
        self.fleet.fcall("wh1_configure", "keep_count", 1000, key=MAIL)
        self.fleet.start("wherry-worker", "w", "-c", config, "--region", "eu", "--slots", "1",
                         "--no-also-any")
        for job in low:
            self.wait_status(job, "completed")
        order = [r[1] for r in self.fleet.runs() if r[0] == "start"]
        self.assertEqual(order, high + low)

    def test_weighted_queues_both_move(self):
        config = self.fleet.worker_config({"*": NOOP})
        with open(config, "a", encoding="utf-8") as file:
            file.write("queues: {mail: 9, default: {weight: 1}}\n")
        for key in (EU, MAIL):
            for _ in range(40):
                self.one("noop", key=key)
        worker = self.fleet.start("wherry-worker", "w", "-c", config, "--region", "eu",
                                  "--slots", "2")
        wait_for(lambda: self.fleet.unfinished(EU) == 0 and self.fleet.unfinished(MAIL) == 0,
                 "both queues to be empty")
        self.assertTrue(worker.is_running())

    def test_no_handler(self):
        """Another worker may have one, so it is tried again on the schedule; then it is dead."""
        worker = self.fleet.start_worker("w", {"noop": NOOP})
        job = self.one("other", "MAXATTEMPTS", "2")
        self.wait_status(job, "failed")
        record = self.fleet.job(job)
        self.assertEqual((record["error_category"], record["attempts"]), ("no_handler", "2"))
        self.assertEqual(worker.metric("region_worker_job_failed_total"), 2)

    def test_only_what_never_started_expires(self):
        """One that failed, or was snoozed, in time is retried after it; what no handler had is not."""
        fcall = self.fleet.fcall
        fcall("wh1_configure", "keep_count", 1000)
        fcall("wh1_heartbeat", "hand.1", 60000, "new", "{}")
        ends = (("retry", "timeout", "completed"), ("snooze", "", "completed"),
                ("release", "", "completed"), ("retry", "no_handler", "expired"),
                ("snooze", "not_started", "expired"), ("release", "not_started", "expired"))
        jobs = [self.one("noop", "EXPIRES", "400", "PRIORITY", str(9 - i)) for i in range(len(ends))]
        tokens = fcall("wh1_cycle", "hand.1", 6, 0)[4][::3]
        for token, (outcome, category, _) in zip(tokens, ends):
            fcall("wh1_cycle", "hand.1", 0, 0, token, outcome, 0 if outcome == "release" else 100,
                  category, "", "", "")
        begun = fcall("wh1_stats")[1]
        wait_for(lambda: fcall("wh1_stats")[1] > begun + 500, "their time to pass")
        self.fleet.start_worker("w", {"noop": NOOP})
        for job, (*how, status) in zip(jobs, ends):
            with self.subTest(how):
                self.wait_status(job, status)

    def test_a_delayed_job_runs_without_a_scheduler(self):
        self.fleet.start_worker("w", {"noop": NOOP})
        self.wait_status(self.one("noop", "DELAY", "300"), "completed")

    def test_cancel_of_a_running_job(self):
        self.fleet.start_worker("w", {"*": {"run": exec_handler(), "grace": "300ms"}})
        job = self.fleet.enqueue_one("x", b"hang")
        wait_for(lambda: self.fleet.started(job), "the job to start")
        self.assertEqual(self.fleet.fcall("wh1_cancel", job), b"requested")
        self.wait_status(job, "cancelled")

    def test_pause_and_resume(self):
        worker = self.fleet.start_worker("w", {"noop": NOOP})
        self.fleet.fcall("wh1_pause")
        job = self.one("noop")
        worker.wait_event("queue.paused")
        self.assertEqual(self.fleet.job(job)["status"], "pending")
        self.fleet.fcall("wh1_resume")
        self.wait_status(job, "completed")

    def test_quiet_by_an_operator(self):
        worker = self.fleet.start_worker("w", {"noop": NOOP}, "--no-also-any")
        name = self.fleet.fcall("wh1_workers")[0]
        self.fleet.fcall("wh1_quiet", name)
        worker.wait_event("worker.quiet")
        self.assertEqual(worker.http("/readyz")[0], 503)
        wait_for(lambda: b'"state":"quiet"' in self.fleet.fcall("wh1_workers")[4], "it to say that it is quiet")
        job = self.one("noop")
        self.fleet.start_worker("other", {"noop": NOOP})
        self.wait_status(job, "completed")
        self.assertEqual(worker.metric("region_worker_processed_total"), 0)

    def test_registry_after_flushall(self):
        self.fleet.start_worker("w", {"noop": NOOP})
        self.fleet.redis("FLUSHALL")
        wait_for(lambda: self.fleet.redis("FCALL_RO", "wh1_partitions", 1, "wh:{registry}"),
                 "the registry to be written again")

    def test_what_it_says_of_itself(self):
        self.fleet.start_worker("w", {"noop": NOOP}, "--slots", "5")
        info = json.loads(wait_for(lambda: self.fleet.fcall("wh1_workers")[4], "its info"))
        self.assertEqual((info["name"], info["region"], info["slots"]), ("w", "eu", 5))

    def test_progress_and_lines(self):
        script = os.path.join(self.fleet.folder, "talk.py")
        with open(script, "w", encoding="utf-8") as file:
            file.write(TALKER)
        self.fleet.start_worker("w", {"talk": f"exec:python3 {script}"})
        job = self.fleet.enqueue_one("talk", b"x")
        wait_for(lambda: self.fleet.job(job).get("progress") == "70", "progress in Redis")
        self.assertEqual(self.fleet.job(job)["progress_message"], "nearly")
        lines = wait_for(lambda: self.fleet.fcall("wh1_log", job), "log lines in Redis")
        self.assertEqual(lines, [b"one", b"two", b"\xc3\xa4" * 512])
        self.fleet.fcall("wh1_cancel", job)
        self.wait_status(job, "cancelled")

    def test_lines_of_a_short_job(self):
        """It ends long before the next heartbeat; what it said is carried before its finish."""
        self.fleet.start_worker("w", {"talk": "command:sh -c 'echo one >&2; echo two >&2'"})
        job = self.one("talk")
        self.wait_status(job, "completed")
        self.assertEqual(self.fleet.fcall("wh1_log", job), [b"one", b"two"])

    def info_of(self, name):
        workers = self.fleet.fcall("wh1_workers")
        return next((json.loads(info) for info in workers[4::5] if json.loads(info)["name"] == name), {})

    def obedient(self):
        script = os.path.join(self.fleet.folder, "obey.py")
        with open(script, "w", encoding="utf-8") as file:
            file.write(OBEDIENT)
        return f"exec:python3 {script}"

    def test_retry_after(self):
        """The handler's own delay wins over the policy, and its category goes along."""
        self.fleet.start_worker("w", {"obey": {"run": self.obedient(), "retry": "fixed:1s"}})
        limited = self.fleet.enqueue_one(
            "obey", b'{"status":"retry","category":"429","delay_ms":3600000}')
        snoozed = self.fleet.enqueue_one(
            "obey", b'{"status":"snooze","category":"429","delay_ms":3600000}')
        for job, attempts in ((limited, "1"), (snoozed, "0")):
            self.wait_status(job, "scheduled")
            record = self.fleet.job(job)
            self.assertEqual(record["attempts"], attempts)
            self.assertGreater(int(record["next_retry_at_ms"]),
                               int(record["enqueued_at_ms"]) + 3599000)
        self.assertEqual(self.fleet.job(limited)["error_category"], "rate_limited")

    def reason(self, worker, name):
        label = f'wherry_worker_backpressure_reason{{region="eu",reason="{name}"}}'
        return re.search(re.escape(label) + r" (\d)", worker.http("/metrics")[1]).group(1) == "1"

    def test_busy_is_said_at_once(self):
        """Whoever asks why a job waits must not be told of the last heartbeat's time."""
        config = self.fleet.worker_config({"obey": self.obedient()})
        self.fleet.start("wherry-worker", "w", "-c", config, "--region", "eu", "--lease", "300s",
                         "--heartbeat", "100s")
        self.fleet.enqueue_one("obey", b'{"busy":60000}')
        waiting = self.fleet.enqueue_one("obey", b"{}")
        wait_for(lambda: self.info_of("w").get("backpressure") == "busy", "it to say so")
        facts = self.fleet.fcall("wh1_explain", waiting)
        said = dict(zip(facts[::2], facts[1::2]))
        self.assertEqual((said[b"reason"], said[b"pressure"]), (b"backpressure", b"busy"))

    def test_memory_limit(self):
        """Over it nothing is claimed, and Redis does not count on this worker."""
        config = self.fleet.worker_config({"noop": NOOP})
        with open(config, "a", encoding="utf-8") as file:
            file.write("memory_limit: 64KiB\n")
        full = self.fleet.start("wherry-worker", "full", "-c", config, "--region", "eu")
        full.wait_event("worker.memory_high")
        wait_for(lambda: self.info_of("full").get("backpressure") == "memory", "it to say so")
        self.assertEqual(full.metric("region_worker_backpressure"), 1)
        self.assertTrue(self.reason(full, "memory"))
        self.assertFalse(self.reason(full, "slots") or self.reason(full, "busy"))
        jobs = [self.one("noop") for _ in range(3)]
        self.fleet.start_worker("w", {"noop": NOOP})
        for job in jobs:
            self.wait_status(job, "completed")
        self.assertEqual(full.metric("region_worker_processed_total"), 0)
        os.rename(self.fleet.worker_config({"noop": NOOP}), config)
        full.send(signal.SIGHUP)
        full.wait_event("config.reloaded")
        self.assertFalse(self.reason(full, "memory"))
        wait_for(lambda: "backpressure" not in self.info_of("full"), "it to say no more")

    def limited(self, name, limit):
        config = self.fleet.worker_config({"obey": {"run": self.obedient(), "processes": 2}})
        with open(config, "a", encoding="utf-8") as file:
            file.write(f"memory_limit: {limit}\n")
        return self.fleet.start("wherry-worker", name, "-c", config, "--region", "eu")

    def test_an_idle_process_over_the_memory_limit(self):
        """It leaked, nothing runs that could free anything: it is replaced, and work goes on."""
        worker = self.limited("w", "200MiB")
        leaky = self.fleet.enqueue_one("obey", b'{"leak":250}')
        self.wait_status(leaky, "completed")
        worker.wait_event("worker.memory_high")
        self.assertEqual(worker.wait_event("worker.memory_recycle")["handler"], "obey")
        worker.wait_event("worker.memory_low")
        job = self.fleet.enqueue_one("obey", b"{}")
        self.wait_status(job, "completed")
        self.assertNotEqual(self.fleet.job(job)["result"], self.fleet.job(leaky)["result"])
        self.assertEqual(worker.metric("wherry_executor_crashes_total"), 0)

    def test_new_processes_over_the_memory_limit(self):
        """Replacing them would help nobody: it says so, and starts none again."""
        worker = self.limited("w", "64KiB")
        said = worker.wait_event("worker.memory_stuck")
        self.assertIn("memory_limit: raise it", said["why"])
        self.assertTrue(self.reason(worker, "memory"))
        self.assertFalse(worker.events("worker.memory_recycle"))

    def test_a_busy_handler(self):
        """It stops all claims, until its time is over or its process is gone."""
        worker = self.fleet.start_worker("w", {"obey": self.obedient(), "noop": NOOP})
        job = self.fleet.enqueue_one("obey", b'{"busy":600000}')
        self.wait_status(job, "completed")
        worker.wait_event("worker.busy")
        self.assertTrue(self.reason(worker, "busy"))
        self.assertEqual(worker.metric("region_worker_backpressure"), 1)
        wait_for(lambda: self.info_of("w").get("backpressure") == "busy", "it to say so")
        other = self.one("noop")
        self.assertEqual(self.fleet.job(other)["status"], "pending")
        os.kill(int(self.fleet.job(job)["result"]), signal.SIGKILL)
        self.wait_status(other, "completed")
        self.assertFalse(self.reason(worker, "busy"))
        self.fleet.enqueue_one("obey", b'{"busy":200}')  # this time it ends by itself
        self.wait_status(self.one("noop"), "completed")

    def test_retry_for(self):
        """A retry that would come too late is none: dead with the handler's own words."""
        self.fleet.start_worker("w", {"bad": {"run": "command:sh -c 'echo no luck >&2; exit 69'",
                                              "retry": "fixed:1h"}})
        job = self.one("bad", "RETRYFOR", "60000", "GROUP", "g1")
        self.wait_status(job, "failed")
        record = self.fleet.job(job)
        self.assertEqual((record["error_category"], record["attempts"]), ("unavailable", "1"))
        self.assertRegex(record["error_message"], r"^no retry: .*60000 ms.*: no luck")
        later = self.one("bad", "RETRYFOR", "86400000")
        self.wait_status(later, "scheduled")

    def test_retry_for_over_while_it_waits(self):
        """The retry was planned in time, but a pause held it up: it does not start any more."""
        self.fleet.start_worker("w", {"bad": {"run": "command:sh -c 'echo no luck >&2; exit 69'",
                                              "retry": "fixed:1s"}})
        job = self.one("bad", "RETRYFOR", "3000")
        wait_for(lambda: self.fleet.job(job).get("attempts") == "1", "the first attempt")
        self.fleet.fcall("wh1_pause", key=EU)
        over = int(self.fleet.job(job)["enqueued_at_ms"]) // 1000 + 4
        wait_for(lambda: int(self.fleet.redis("TIME")[0]) >= over, "its time to be over")
        self.assertEqual(self.fleet.job(job)["status"], "pending")
        self.fleet.fcall("wh1_resume", key=EU)
        self.wait_status(job, "failed")
        record = self.fleet.job(job)
        self.assertEqual(record["error_category"], "unavailable")
        self.assertRegex(record["error_message"], r"^no retry: more than 3000 ms .*enqueue$")

    def test_dump(self):
        worker = self.fleet.start_worker("w", {"*": exec_handler()})
        job = self.fleet.enqueue_one("x", b"sleep 2000")
        wait_for(lambda: self.fleet.started(job), "the job to start")
        worker.send(signal.SIGUSR1)
        told = worker.wait_event("dump.job")
        self.assertEqual((told["job"], told["state"]), (job, "running"))
        self.assertTrue(worker.events("dump.worker") and worker.events("dump.handler"))
        self.assertEqual(len(worker.events("dump.partition")), 2)


class Http(FaultTest):
    def test_metrics_are_well_formed(self):
        worker = self.fleet.start_worker("w", {"noop": NOOP, "*": exec_handler()})
        self.fleet.enqueue(20, "noop")
        self.fleet.enqueue(3, "other", b"fail")
        self.fleet.wait_drained()
        text = wait_for(lambda: (lambda t: t if "errors_total{" in t else None)(
            worker.http("/metrics")[1]), "metrics")
        for name in ("region_worker_processed_total", "region_worker_errors_total",
                     "region_worker_error_rate", "region_worker_concurrency",
                     "region_worker_in_flight", "region_worker_backpressure",
                     "region_worker_job_started_total", "region_worker_job_completed_total",
                     "region_worker_job_failed_total", "wherry_job_wait_seconds_bucket",
                     "wherry_job_run_seconds_bucket", "wherry_build_info",
                     "process_resident_memory_bytes", "process_cpu_seconds_total",
                     "process_open_fds", "wherry_event_loop_lag_seconds"):
            self.assertIn("\n" + name, text)
        rate = float(re.search(r'error_rate\{region="eu",queue="default"\} (\S+)', text).group(1))
        self.assertTrue(0 < rate < 1)
        if shutil.which("promtool"):
            done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                                  capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(worker.http("/nothing")[0], 404)

    def test_redis_comes_late(self):
        """livez is not about Redis, readyz is; the worker waits for it."""
        self.fleet.kill9_redis()
        worker = self.fleet.start_worker("w", {"noop": NOOP}, ready=False)
        wait_for(lambda: worker.http("/readyz")[0] == 503, "a first answer")
        self.assertIn("redis", worker.http("/readyz")[1])
        self.assertEqual(worker.http("/livez")[0], 200)
        self.fleet.start_redis(load=False)
        wait_for(lambda: self.fleet.is_ready(worker), "the worker to be ready")
        self.fleet.keep_all()
        self.fleet.enqueue(3, "noop")
        self.fleet.wait_drained()
        self.fleet.check_all()


class Settings(FaultTest):
    def run_worker(self, *options, env=None):
        process = Process("try", [os.path.join(BIN, "wherry-worker"), *options],
                          self.fleet.folder, env)
        return process.wait(), process.log()

    def config(self, text):
        path = os.path.join(self.fleet.folder, "try.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_refused(self):
        cases = [
            ("slotz: 3\n", ":1:1: ", "slotz"),
            ("slots: many\n", ":1:", "slots"),
            ("handlers:\n  x: {run: 'native:/nowhere/x.so'}\n", "", "/nowhere/x.so"),
            ("handlers:\n  x: {run: 'magic:x'}\n", "", "handlers.x.run"),
            ("handlers:\n  x: {run: 'command:/bin/true', retry: 'often'}\n", "", "retry"),
            ("lease: 2s\nheartbeat: 1500ms\n", "", "heartbeat"),
            ("region: 'a b'\n", "", "region"),
        ]
        for text, place, word in cases:
            for more in ((), ("--check-config",)):
                status, said = self.run_worker("-c", self.config(text), *more)
                self.assertEqual(status, EX_CONFIG, (text, said))
                self.assertIn(word, said)
                self.assertIn(place, said)
        self.assertEqual(self.run_worker("--no-such-flag")[0], EX_USAGE)

    def test_check_and_print(self):
        path = self.config("redis: {url: 'redis://u:verysecret@h'}\nhandlers:\n"
                           f"  noop: '{NOOP}'\nqueues: {{a: 2}}\n")
        status, said = self.run_worker("-c", path, "--check-config")
        self.assertEqual((status, said), (0, "configuration ok\n"))
        status, said = self.run_worker("-c", path, "--print-config",
                                       env={"WHERRY_REGION": "mars"})
        self.assertEqual(status, 0)
        self.assertNotIn("verysecret", said)
        self.assertIn("mars", said)

    def test_exposed_secret_is_told(self):
        path = os.path.join(self.fleet.folder, "password")
        with open(path, "w", encoding="utf-8") as file:
            file.write("verysecret")
        os.chmod(path, 0o644)
        worker = self.fleet.start_worker("w", {"noop": NOOP}, "--redis-password-file", path,
                                         ready=False)
        told = worker.wait_event("config.secret_exposed")
        self.assertEqual((told["file"], told["mode"]), (path, "0644"))
        worker.send(signal.SIGTERM)
        worker.wait()
        self.assertNotIn("verysecret", worker.log())

    def test_without_handlers_claims_nothing(self):
        self.fleet.enqueue(3, "noop")
        worker = self.fleet.start("wherry-worker", "w", "--region", "eu")
        worker.wait_event("worker.no_handlers")
        wait_for(lambda: self.fleet.is_ready(worker), "the worker to be ready")
        worker.send(signal.SIGTERM)
        self.assertEqual(worker.wait(), 0)
        stats = self.fleet.stats()
        self.assertEqual((stats["claimed"], stats["pending"]), (0, 3), stats)

    def test_secrets_stay_out_of_the_log(self):
        worker = self.fleet.start_worker("w", {"noop": NOOP}, "--log-level", "debug",
                                         env={"WHERRY_REDIS_PASSWORD": "verysecret"}, ready=False)
        worker.wait_event("worker.starting")
        worker.send(signal.SIGTERM)
        worker.wait()
        self.assertNotIn("verysecret", worker.log())

    def test_reload(self):
        path = self.config(f"slots: 2\nhandlers:\n  noop: '{NOOP}'\n")
        worker = self.fleet.start("wherry-worker", "w", "-c", path, "--region", "eu")
        wait_for(lambda: self.fleet.is_ready(worker), "the worker to be ready")
        self.assertEqual(worker.metric("region_worker_concurrency"), 2)
        self.config("slots: nonsense\n")
        worker.send(signal.SIGHUP)
        worker.wait_event("config.reload_refused")
        self.assertEqual(worker.metric("region_worker_concurrency"), 2)
        self.config(f"slots: 7\nlease: 30s\nhandlers:\n  noop: '{NOOP}'\n")
        worker.send(signal.SIGHUP)
        worker.wait_event("config.reloaded")
        self.assertEqual(worker.metric("region_worker_concurrency"), 7)
        self.assertIn("lease", worker.wait_event("config.needs_restart")["options"])


if __name__ == "__main__":
    main()
