#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The `wherry` command against a real Redis: jobs, queues, orgs, workers, help, exit codes."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

from cli_case import DEADLINE_S, P, ROOT, SERVER, WHERRY, CliCase, Redis, main, wait_for

UUID = "0190c6a0-1c6e-7c3a-9d52-3f1f0a4b2c11"
UUID_FORM = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Usage(CliCase):
    def test_wrong_command_lines(self):
        for words, text in [
                ((), "Commands"),
                (("job",), "job enqueue"),
                (("jbo",), 'did you mean "job"'),
                (("job", "listt"), 'did you mean "job list"'),
                (("job", "list", "--staus", "x"), 'did you mean "--status"'),
                (("job", "list", "--status", "pending,bad"), '"bad" is none of'),
                (("job", "list", "--limit", "0"), "no number from 1"),
                (("job", "list", "--limit"), "needs a value"),
                (("job", "list", "--all=yes"), "takes no value"),
                (("job", "show"), "operand is missing"),
                (("job", "show", "a", "b"), "one operand too many"),
                (("job", "show", "a"), "is no job id"),
                (("job", "enqueue", "t", "--delay", "5"), "is no duration"),
                (("job", "enqueue", "t", "--priority", "10"), "from 0 to 9"),
                (("job", "enqueue", "a b"), "outside A-Z"),
                (("job", "enqueue", "t", "--entity", "x"), "TYPE/ID"),
                (("job", "enqueue", "t", "--count", "2", "--key", "k"), "leave --id and --key"),
                (("job", "enqueue", "t", "--key-ttl", "1h"), "without key"),
                (("job", "enqueue", "t", "--key", "\u00fc\t"), 'key "\u00fc?" has'),
                (("job", "enqueue", "t", "--expires", "0s"), "out of range: 1ms"),
                (("queue", "set", "kep=1h"), 'did you mean "keep"'),
                (("queue", "set", "keep=1"), "like 24h"),
                (("queue", "set", "keep=1h", "keep=2h"), "keep is there twice"),
                (("org", "weight", "acme", "2,5"), '"2,5" is no weight'),
                (("org", "weight", "acme", "0"), "from 0.001 to 1000"),
                (("org", "weight", "acme", "1e3"), "a plain decimal number"),
                (("org", "weight", "acme", "2.5555555"), "with at most 8 characters"),
                (("queue", "set", "payload-max=65MiB"), "at least 1, at most 64MiB"),
                (("queue", "set", "keep=9999d"), "at least 0s, at most 3650d"),
                (("queue", "set", "keep-count=1000001"), "at least 0, at most 1000000"),
                (("job", "enqueue", "t", "--timeout", "8d"), "out of range: 1ms to 7d"),
                (("dlq", "replay"), "--limit N, or --all"),
                (("dlq", "replay", "--limit", "5", "--all"), "exclude each other"),
                (("job", "list", "--limit", "5", "--all"), "exclude each other"),
                (("org", "list", "--cursor", ""), "none that this list gave"),
                (("queue", "stats", "--interval", "5s"), "--watch"),
                (("--redis", "nonsense", "queue", "list"), "--redis: must be"),
                (("job", "enqueue", "t", "@"), "needs a file's name"),
                (("job", "enqueue", "t", "--traceparent", TRACE[:-1]), "no W3C traceparent"),
                (("job", "enqueue", "t", "--traceparent", TRACE.upper()), "no W3C traceparent"),
                (("completion", "bash", "--json"), "no JSON form"),
                (("dev", "--dir", ""), "folder is missing"),
                (("dlq", "list", "--cursor", "7"), "is no entry"),
                (("completion", "tcsh"), "bash, zsh and fish"),
                (("enqueue", "x"), 'did you mean "job enqueue"?'),
                (("list",), '"queue list", "limit list"'),
                (("worker", "look"), "worker has list and quiet"),
                (("worker", "ls"), 'did you mean "worker list"'),
                (("queue", "unpause"), 'did you mean "queue resume"'),
                (("job", "add"), 'did you mean "job enqueue"'),
                (("help", "enqueue"), 'did you mean "job enqueue"?\nTry: wherry help\n'),
                (("help", "job", "lst"), 'did you mean "job list"?'),
                (("-x",), 'no flag "-x"')]:
            with self.subTest(words=words):
                done = self.wherry(*words, status=2)
                self.assertIn(text, done.err)
                self.assertEqual(done.out, "")

    def test_help_of_every_command(self):
        with open(os.path.join(ROOT, "docs", "cli.md"), encoding="utf-8") as file:
            page = file.read()
        self.assertEqual(self.wherry("help", "--markdown").out, page,
                         "make it again: wherry help --markdown > docs/cli.md")
        commands = re.findall(r"^### wherry (.*)$", page, re.M)
        self.assertGreater(len(commands), 25)
        for command in commands:
            done = self.wherry(*command.split(), "--help")
            self.assertLess(done.out.index("Examples"), done.out.index("Usage"))
            self.assertEqual(done.out, self.wherry("help", *command.split()).out)
        self.assertIn("Exit status", self.wherry("-h").out)
        self.assertRegex(self.wherry("version").out, r"^wherry \d+\.\d+\.\d+\n$")

    def test_help_of_a_script_does_not_run_it(self):
        done = subprocess.run([sys.executable, os.path.join(ROOT, "scripts", "coverage"), "--help"],
                              env={"PATH": ""}, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("scripts/coverage -L unit", done.stdout)

    def test_completion(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.wherry("completion", shell).out
            for word in ("enqueue", "replay", "max-attempts", "dry-run", "no-color"):
                self.assertIn(word, script, shell)
        self.assertEqual(self.complete("wherry d"), {"dlq", "doctor", "dev"})
        self.assertEqual(self.complete("wherry --region eu dlq r"), {"replay"})
        self.assertEqual(self.complete("wherry job list --status sch"), {"scheduled"})
        self.assertEqual(self.complete("wherry dlq purge --y"), {"--yes"})
        self.assertEqual(self.complete("wherry audit --m"), {"--max-jobs"})

    def complete(self, line):
        words = line.split(" ")
        script = self.wherry("completion", "bash").out + (
            "COMP_WORDS=(%s); COMP_CWORD=%d; _wherry; printf '%%s\\n' \"${COMPREPLY[@]}\""
            % (" ".join(f"'{w}'" for w in words), len(words) - 1))
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    def test_no_redis(self):
        done = self.wherry("--redis", "redis://:secret@127.0.0.1:1", "queue", "list", status=69)
        self.assertRegex(done.err, r"can't reach Redis at redis://.*: Connection refused")
        self.assertNotIn("secret", done.err)
        gone = self.wherry("--redis", f"unix://{self.home}/none", "queue", "list", status=69)
        for told in (done.err, gone.err):
            self.assertIn("One to play with: wherry dev", told)
        self.wherry("--redis", "nonsense://x", "queue", "list", status=2)
        with socket.socket() as silent:  # accepts, and never answers
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
            done = self.wherry("--redis", url, "queue", "list", status=69)
            self.assertNotIn("wherry dev", done.err)
            self.assertRegex(done.err, "did not answer|no answer in time")

    def test_password_from_environment(self):
        self.redis.call("CONFIG", "SET", "requirepass", "s3cret")
        self.addCleanup(self.redis.call, "CONFIG", "SET", "requirepass", "")
        self.wherry("queue", "list", status=77)
        self.wherry("queue", "list", env={"WHERRY_REDIS_PASSWORD": "s3cret"})
        path = os.path.join(self.home, "password")
        with open(path, "w", encoding="utf-8") as file:
            file.write("s3cret\n")
        self.wherry("queue", "list", env={"WHERRY_REDIS_PASSWORD_FILE": path})
        self.wherry("queue", "list", env={"WHERRY_REDIS_PASSWORD_FILE": path + "x"}, status=78)

    def test_stdout_that_is_full_or_gone(self):
        self.enqueue("t", "--count", "3000")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([WHERRY, "job", "list"], stdout=full, stderr=subprocess.PIPE,
                                  env=self.env(), check=False, text=True)
        self.assertEqual(done.returncode, 74)
        self.assertIn("No space left", done.stderr)
        for close, status in ((">&-", 74), ("2>&-", 3), (">&- 2>&- <&-", 74)):
            # Nothing may be written into what took the place of the closed file.
            command = f'"$0" job list {"any:default" if status == 74 else "any:nope"} {close}'
            done = subprocess.run(["sh", "-c", command, WHERRY], env=self.env(), check=False,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True)
            self.assertEqual(done.returncode, status, close)
        for words in (("job", "enqueue", "t"), ("job", "enqueue", "t", "--count", "2"),
                      ("job", "enqueue", "t", "--json"), ("queue", "pause", "--json")):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([WHERRY, *words], stdout=full, stderr=subprocess.PIPE,
                                      env=self.env(), check=False, text=True)
            self.assertEqual(done.returncode, 74)
            told = re.search(r"(?:enqueued|done) all the same: (.*)", done.stderr)
            self.assertRegex(told[1], r'^[-0-9a-f]{36}$|^2 jobs enqueued in|^{"', words)
            for job in re.findall(UUID_FORM, told[1]):
                self.assertEqual(self.wherry("job", "show", job, "--json").json()["id"], job)
        done = subprocess.run(["bash", "-c", '"$0" job list --all --json | head -n 1; '
                               'echo "${PIPESTATUS[0]}"', WHERRY], env=self.env(), check=False,
                              capture_output=True, text=True)
        self.assertEqual((done.stdout.count("\n"), done.stderr), (2, ""))


class Jobs(CliCase):
    def test_enqueue_and_show(self):
        job = self.enqueue("mail.send", '{"to": 1}', "--org", "acme", "--priority", "7",
                           "--max-attempts", "3", "--timeout", "90s", "--expires", "1h",
                           "--entity", "invoice/47/11", "--traceparent", TRACE)
        shown = self.wherry("job", "show", job, "--json").json()
        for field, value in {
                "id": job, "type": "mail.send", "org": "acme", "priority": 7, "max_attempts": 3,
                "timeout_ms": 90000, "entity_type": "invoice", "entity_id": "47/11",
                "traceparent": TRACE, "status": "pending", "payload": '{"to": 1}'}.items():
            self.assertEqual(shown[field], value, field)
        self.assertEqual(shown["expires_at_ms"] - shown["enqueued_at_ms"], 3600000)
        for expires, told in (("2s", True), ("5s", True), ("6s", False)):
            done = self.wherry("job", "enqueue", "mail", "--expires", expires, "--delay", "5s")
            self.assertEqual("expires unstarted" in done.err, told)
        text = self.wherry("job", "show", job).out
        self.assertRegex(text, r"(?m)^status +pending$")
        self.assertIn('  {"to": 1}\n', text)
        self.assertNotIn("\033", text)

    def test_payloads(self):
        path = os.path.join(self.home, "body")
        with open(path, "wb") as file:
            file.write(b"from a file")
        for words, stdin, payload in [(("@" + path,), b"", "from a file"),
                                      (("-",), b"from stdin", "from stdin"),
                                      ((), b"", None)]:
            job = self.enqueue("t", *words, stdin=stdin)
            shown = self.wherry("job", "show", job, "--json").json()
            self.assertEqual(shown.get("payload"), payload)
        job = self.enqueue("t", "-", stdin=bytes(range(256)) * 2)
        self.assertIn("000010  10 11 12", self.wherry("job", "show", job).out)
        self.assertIn("256 bytes more", self.wherry("job", "show", job).out)
        self.wherry("job", "enqueue", "t", "@" + path + "x", status=74)

    def test_same_key_or_id_is_one_job(self):
        first = self.enqueue("t", "--key", "k1")
        again = self.wherry("job", "enqueue", "t", "--key", "k1")
        self.assertEqual(again.out.strip(), first)
        self.assertIn("existed before", again.err)
        other = self.wherry("job", "enqueue", "t", "--key", "k1", "--org", "o", "--json").json()
        self.assertEqual(other["result"], "created")
        self.assertNotEqual(other["id"], first)
        self.assertRegex(self.wherry("job", "enqueue", "--help").out,
                         r"--key KEY +idempotency key, unique within its partition and org: ")
        for result in ("created", "existing"):
            done = self.wherry("job", "enqueue", "t", "--id", UUID, "--json").json()
            self.assertEqual((done["id"], done["result"]), (UUID, result))

    def test_many(self):
        lines = b"".join(b'{"type": "bulk", "payload": %d}\n' % i for i in range(1234))
        self.assertIn("1234 jobs", self.wherry("job", "enqueue", "--jsonl", stdin=lines).out)
        self.assertEqual(self.wherry("job", "enqueue", "t", "--count", "777", "--json")
                         .json()["created"], 777)
        self.assertEqual(len(self.wherry("job", "list", "--all", "--json").lines()), 2011)

    def test_interrupted(self):
        process = subprocess.Popen([WHERRY, "job", "enqueue", "t", "--count", "1000000", "-q"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env(),
                                   text=True)
        wait_for("a batch", lambda: self.redis.call("HLEN", P + ":jobs") >= 500)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE_S)
        self.assertEqual((process.returncode, out), (75, ""))
        there = self.redis.call("HLEN", P + ":jobs")
        self.assertIn(f"stopped; {there} of 1000000 jobs are enqueued", err)
        self.assertEqual(self.wherry("job", "enqueue", "t", "--count", "2", "-q").out, "")

    def test_list_pages(self):
        ids = {self.enqueue("t", "--delay", "1h") for _ in range(3)}
        ids |= {self.enqueue("t") for _ in range(4)}
        self.enqueue("t", "--region", "eu")
        seen, cursor = [], []
        for _ in range(4):
            done = self.wherry("job", "list", "any:default", "--limit", "2", "--json", *cursor)
            seen += [j["id"] for j in done.lines()]
            more = re.search(r"more: (--cursor) (\S+)", done.err)
            cursor = list(more.groups()) if more else None
        self.assertEqual((sorted(seen), cursor), (sorted(ids), None))
        done = self.wherry("job", "list", "--status", "scheduled", "--region", "any")
        self.assertEqual(done.out.count("\n"), 4)
        self.assertRegex(done.out.splitlines()[1], r"scheduled +t +default +5 +0 .* in 59m")
        empty = self.wherry("job", "list", "--status", "expired")
        self.assertEqual(empty.out, "")
        self.assertIn("no such jobs in any:default", empty.err)
        self.assertEqual(self.wherry("job", "list", "--org", "nobody", "-q").err, "")

    def test_which_partition(self):
        self.enqueue("t", "--region", "eu", "--queue", "a")
        self.assertEqual(len(self.wherry("job", "list", "--json").lines()), 1)  # the only one
        self.enqueue("t", "--region", "us", "--queue", "a")
        self.assertIn("eu:a, us:a", self.wherry("job", "list", status=2).err)
        self.assertEqual(len(self.wherry("job", "list", "us:a", "--json").lines()), 1)
        found = self.wherry("job", "list", "a", "--json", env={"WHERRY_REGION": "us"}).lines()
        self.assertEqual(found[0]["region"], "us")
        self.wherry("job", "list", "e u:a", status=2)

    def test_cancel_retry_wait_logs(self):
        job = self.enqueue("t", "--delay", "1h", "--region", "eu")
        self.assertEqual(self.wherry("job", "retry", job).out, "pending\n")
        self.assertEqual(self.wherry("job", "cancel", job).out, "cancelled\n")
        self.wherry("job", "wait", job, status=1)
        self.wherry("job", "cancel", UUID, status=3)
        job = self.enqueue("t")
        self.assertIn("still pending", self.wherry("job", "wait", job, "--timeout", "200ms",
                                                   status=75).err)
        self.redis.heartbeat("w1")
        token = self.redis.claim("w1", 1)[0]
        self.wherry("job", "retry", job, status=4)
        self.assertEqual(self.wherry("job", "cancel", job).out, "requested\n")
        self.redis.call("FCALL", "wh1_heartbeat", 1, P, "w1", 60000, "renew", "", "LOG", token,
                        "a line\033[31m")
        self.assertEqual(self.wherry("job", "logs", job, "--json").json()["line"], "a line\033[31m")
        waiting = subprocess.Popen([WHERRY, "job", "wait", job, "--json"], env=self.env(),
                                   stdout=subprocess.PIPE)
        self.redis.finish("w1", token, "ok", result="done!")
        out, _ = waiting.communicate(timeout=DEADLINE_S)
        self.assertEqual(waiting.returncode, 0)
        self.assertIn(b'"result":"done!"', out)


class Operators(CliCase):
    def test_queues(self):
        self.assertIn("no queue is known", self.wherry("queue", "list").err)
        self.enqueue("t")
        self.enqueue("t", "--region", "eu")
        rows = self.wherry("queue", "list", "--json").lines()
        self.assertEqual([r["partition"] for r in rows], ["any:default", "eu:default"])
        self.wherry("queue", "pause", "eu:default")
        self.assertIn("paused", self.wherry("queue", "list").out.splitlines()[2])
        for words in (("list",), ("stats", "eu:default")):
            shown = self.wherry("queue", *words, "--region", "eu", "--json").json()
            self.assertIs(shown["paused"], True)
        self.wherry("queue", "resume", "eu:default")
        self.assertRegex(self.wherry("queue", "stats", "eu:default").out, r"paused +no")
        self.wherry("queue", "set", "eu:default", "keep=2h", "keep-count=5", "payload-max=2KiB")
        self.assertEqual(self.redis.call("HMGET", "wh:{eu:default}:ctl", "keep_ms", "keep_count",
                                         "payload_max"), [b"7200000", b"5", b"2048"])
        self.wherry("job", "enqueue", "t", "x" * 3000, "--region", "eu", status=65)

    def test_queue_watch(self):
        self.enqueue("t")
        process = subprocess.Popen([WHERRY, "queue", "stats", "--watch", "--interval", "100ms"],
                                   env=self.env(), stdout=subprocess.PIPE, text=True)
        seen = [process.stdout.readline() for _ in range(60)]
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(DEADLINE_S), 0)
        process.stdout.close()
        self.assertTrue(any(re.match(r"enqueued +1 +0/s", line) for line in seen), seen)

    def test_orgs(self):
        self.enqueue("t", "--org", "acme")
        self.wherry("org", "weight", "acme", "2.5")
        self.assertEqual(self.wherry("org", "list", "--json").lines(),
                         [{"org": "acme", "ready": 1, "active": 0, "weight": 2.5, "cap": None,
                           "paused": False}])
        self.wherry("org", "weight", "acme", "much", status=2)

    def test_workers(self):
        self.assertIn("no worker", self.wherry("worker", "list").err)
        self.enqueue("t")
        self.redis.heartbeat("w1", info='{"host": "h7", "pid": 12, "types": ["a", "b"]}')
        row = self.wherry("worker", "list", "--json").lines()[0]
        self.assertEqual((row["worker"], row["state"], row["info"]["pid"]), ("w1", "live", 12))
        self.assertIn("host=h7 pid=12 types=a,b", self.wherry("worker", "list").out)
        self.redis.heartbeat("w1", info='{"slots": 4, "started_at_ms": 1795358502581}')
        self.assertIn("slots=4 started_at=2026-11-22T14:41:42.581Z",
                      self.wherry("worker", "list").out)
        self.wherry("worker", "quiet", "w1")
        self.assertIn(b"quiet", self.redis.heartbeat("w1", "renew"))
        self.wherry("worker", "quiet", "nobody", status=3)

    def test_one_damaged_partition_does_not_hide_the_others(self):
        for region in ("eu", "us", "any"):
            self.enqueue("t", "--region", region)
        self.redis.call("DEL", "wh:{eu:default}:jobs")
        self.redis.call("SET", "wh:{eu:default}:jobs", "x")
        done = self.wherry("audit", status=1)
        self.assertRegex(done.out, r"(?m)^ok    any:default: 1 job, no problem\n"
                                   r"fail  eu:default: \S.*\nok    us:default: 1 job")
        audits = self.wherry("audit", "--json", status=1).lines()
        self.assertEqual([len(a["problems"]) for a in audits], [0, 1, 0])
        done = self.wherry("queue", "list", status=65)
        self.assertRegex(done.out, r"(?m)^any:default .*\neu:default .* damaged\nus:default ")
        self.assertIn("eu:default: ", done.err)
        rows = self.wherry("queue", "list", "--json", status=65).lines()
        self.assertEqual([(r["damaged"], r["pending"]) for r in rows],
                         [(False, 1), (True, None), (False, 1)])
        self.assertIn("eu:default: ", self.wherry("queue", "stats", "eu:default", status=65).err)

    def test_changes_as_json(self):
        self.enqueue("t", "--region", "eu")
        self.redis.heartbeat("w1", partition="wh:{eu:default}")
        for words, more in [
                (("queue", "pause"), {"result": "paused"}),
                (("queue", "resume"), {"result": "resumed"}),
                (("queue", "set", "keep=2h"), {"result": "set"}),
                (("org", "weight", "acme", ".5"), {"org": "acme", "weight": 0.5, "result": "set"}),
                (("worker", "quiet", "w1"), {"worker": "w1", "result": "quiet"})]:
            done = self.wherry(*words, "--json")
            self.assertEqual(done.lines(), [{"partition": "eu:default", **more}], words)
            self.assertEqual(self.wherry(*words).out, "")

    def test_doctor(self):
        self.enqueue("t")
        done = self.wherry("doctor", "--json").json()
        states = {c["check"]: c["state"] for c in done["checks"]}
        self.assertTrue(done["ok"])
        self.assertEqual((states["redis"], states["version"], states["eviction"],
                          states["persistence"], states["library"], states["queue"]),
                         ("ok", "ok", "ok", "warn", "ok", "warn"))
        self.wherry("limit", "set", "memory:queue=80%")
        self.assertIn(": memory:queue=80% refuses nothing", self.wherry("doctor").out)
        self.redis.call("CONFIG", "SET", "maxmemory", "1gb")
        self.assertNotIn("refuses nothing", self.wherry("doctor").out)
        self.redis.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        self.addCleanup(self.redis.call, "CONFIG", "SET", "maxmemory", "0")
        self.addCleanup(self.redis.call, "CONFIG", "SET", "maxmemory-policy", "noeviction")
        self.assertIn("set maxmemory-policy noeviction", self.wherry("doctor", status=1).out)
        done = self.wherry("doctor", "--json", "--redis", "unix:///nowhere", status=1).json()
        self.assertEqual((done["ok"], done["checks"][0]["state"]), (False, "fail"))

    def test_old_or_closed_library_is_said(self):
        other = Redis()
        self.addCleanup(other.stop)
        other.call("ACL", "SETUSER", "weak", "on", ">p", "~*", "+@all", "-function")
        env = {"REDIS_URL": "unix://" + other.path, "WHERRY_REDIS_USER": "weak",
               "WHERRY_REDIS_PASSWORD": "p"}
        self.wherry("queue", "list", env=env, status=77)

    def test_config_asks_the_daemon(self):
        folder = os.path.join(self.home, "bin")
        os.mkdir(folder)
        program = shutil.copy(WHERRY, folder)
        env = {"PATH": os.environ["PATH"] if shutil.which("wherry-worker") is None else "/bin"}
        done = self.wherry("config", "check", "f.yaml", program=program, env=env, status=69)
        self.assertIn("wherry-worker is neither", done.err)
        with open(os.path.join(folder, "wherry-worker"), "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\necho "$@"\nexit 78\n')
        os.chmod(file.name, 0o755)
        done = self.wherry("config", "check", "f.yaml", program=program, status=78)
        self.assertEqual(done.out, "--config f.yaml --check-config\n")
        done = self.wherry("config", "print", "f.yaml", "--json", program=program, status=78)
        self.assertEqual(done.out, "--config f.yaml --print-config --json\n")

    def test_dev_refuses_a_folder_and_leaves_none(self):
        there = os.path.join(self.home, "there")
        os.mkdir(there)
        for name in ("a" * 200, os.path.join("a" * 100, "b" * 100) + "/", "what?"):
            done = self.wherry("dev", "--dir", os.path.join(there, name), status=2)
            self.assertIn("can't hold a socket", done.err)
            self.assertEqual(os.listdir(there), [])

    def test_dev(self):
        env = self.env(REDIS_URL=None, XDG_DATA_HOME=self.home,
                       PATH=os.path.dirname(shutil.which(SERVER)) + ":/usr/bin:/bin")
        process = subprocess.Popen([WHERRY, "dev", "--no-scheduler"], env=env, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        path = os.path.join(self.home, "wherry", "redis.sock")
        self.assertEqual(process.stdout.readline(), f"REDIS_URL=unix://{path}\n")
        bare = {"REDIS_URL": None, "XDG_DATA_HOME": self.home}
        job = self.enqueue("t", env=bare)  # found without being told
        self.wherry("job", "show", job, env=bare)
        self.wherry("dev", env=bare, status=4)
        worker = os.path.join(os.path.dirname(WHERRY), "wherry-worker")
        if os.access(worker, os.X_OK):  # and by workers
            told = subprocess.run([worker, "--print-config"], env=self.env(**bare), text=True,
                                  stdout=subprocess.PIPE, check=True).stdout
            self.assertIn(f'url: "unix://{path}"  # default', told)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 0, err)
        self.assertFalse(os.path.exists(path))


class Terminal(CliCase):
    def test_colours(self):
        self.enqueue("t", "--delay", "1h")
        self.assertIn("\033[34mscheduled\033[0m", self.on_terminal("job", "list"))
        self.assertNotIn("\033[", self.on_terminal("job", "list", NO_COLOR="1"))
        self.assertNotIn("\033[", self.on_terminal("job", "list", TERM="dumb"))
        self.assertNotIn("\033[", self.on_terminal("job", "list", "--no-color"))

    def test_nobody_steers_it(self):
        self.enqueue("t")
        self.redis.heartbeat("w1")
        token = self.redis.claim("w1", 1)[0]
        self.redis.finish("w1", token, "dead", category="error", message="\033]0;x\007\n\u202eabc")
        for words in (("dlq", "list"), ("job", "list")):
            out = self.on_terminal(*words, NO_COLOR="1")
            self.assertNotRegex(out, "[\033\007\u202e]")
            self.assertIn("\\x1b]0;x\\x07\\n\\xe2\\x80\\xaeabc", out)


if __name__ == "__main__":
    main()
