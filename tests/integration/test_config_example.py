#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/operations.md against the programs: the example configuration has every option and is
accepted, flag beats environment beats file, exit statuses, the access list, the alerts.
"""
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from docs import BIN, BUILD, DocsTest, blocks, need, page, wait_for
from resp import RedisError

PAGE = "docs/operations.md"
WORKER = os.path.join(BIN, "wherry-worker")
EX_USAGE, EX_UNAVAILABLE, EX_IOERR, EX_CONFIG = 2, 69, 74, 78
LINE = re.compile(r'^(?P<indent> *)(?P<off># )?"?(?P<key>[\w.*-]+)"?:(?: (?P<value>.*?))?'
                  r'(?:  # (?P<source>.*))?$')


def example(name):
    for have, _, text in blocks(PAGE):
        if have == name:
            return text
    raise AssertionError(f"{PAGE} has no `<!-- example: {name} -->`")


def run(*argv, env=None, folder=None):
    clean = {k: v for k, v in os.environ.items()
             if not k.startswith("WHERRY_") and k not in ("REDIS_URL", "LOG_LEVEL")}
    return subprocess.run(argv, env={**clean, **(env or {})}, cwd=folder, capture_output=True,
                          text=True, timeout=30, check=False)


def options(printed):
    """Path -> (value or None, source) of what --print-config prints."""
    found, above = {}, []
    for line in printed.splitlines()[1:]:
        match = LINE.match(line)
        if match is None:
            raise AssertionError(f"--print-config prints {line!r}")
        above[len(match["indent"]) // 2:] = [match["key"]]
        if match["off"]:
            found[".".join(above)] = (None, "")
        elif match["value"]:
            found[".".join(above)] = (match["value"].strip('"'), match["source"])
    return found


class Example(unittest.TestCase):
    """worker.yaml, with its paths moved below a folder of the test."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="wh-config-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.text = example("worker.yaml")
        for path in sorted(set(re.findall(r"(?<![\w/])/(?:etc|srv|usr)/[\w./-]+", self.text)),
                           key=len, reverse=True):
            self.place(path)
        text = re.sub(r"(?<![\w/])/(?=(etc|srv|usr)/)", self.folder + "/", self.text)
        self.file = self.write("worker.yaml", text)

    def place(self, path):
        """A file for a path of the example, a real one where the worker looks inside."""
        here = self.folder + path
        os.makedirs(os.path.dirname(here), exist_ok=True)
        if path.endswith(".so"):
            shutil.copy(os.path.join(BUILD, "lib", "wherry", "handlers",
                                     os.path.basename(path)), here)
        elif path.startswith("/usr/bin/"):
            shutil.copy(os.path.join(BIN, os.path.basename(path)), here)
        elif path.endswith(".json"):
            self.write(path[1:], "{}")
        elif not os.path.isdir(here):
            self.write(path[1:], "secret\n", 0o755)

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def make_certificates(self):
        """The worker loads them when it checks; here one is its own CA."""
        if shutil.which("openssl") is None:
            self.assertNotEqual(os.environ.get("CI"), "true", "openssl is not installed")
            self.skipTest("openssl is not installed")
        etc = os.path.join(self.folder, "etc", "wherry")
        made = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test",
                   "-keyout", "worker.key", "-out", "worker.pem", folder=etc)
        self.assertEqual(made.returncode, 0, made.stderr)
        shutil.copy(os.path.join(etc, "worker.pem"), os.path.join(etc, "ca.pem"))

    def print_config(self, *flags, env=None):
        done = run(WORKER, "--print-config", *flags, env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_is_accepted(self):
        self.make_certificates()
        done = run(WORKER, "-c", self.file, "--check-config")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("ok", done.stdout)
        other = run(os.path.join(BIN, "wherry"), "config", "check", self.file)
        self.assertEqual((other.returncode, other.stderr), (0, ""), other.stdout)

    def test_has_every_option(self):
        """Nothing is at its default because the example leaves it out."""
        full = "handlers.invoice.render."
        for path, (value, source) in options(self.print_config("-c", self.file)).items():
            if path.startswith("handlers.") and not path.startswith(full):
                continue
            self.assertIsNotNone(value, f"the example does not have {path}")
            self.assertNotEqual(source, "default", f"the example does not have {path}")

    def test_tells_the_defaults(self):
        """A value that is not the default says so behind it."""
        defaults = options(self.print_config())
        printed = options(self.print_config("-c", self.file))
        for path, (value, _) in list(printed.items()):
            if path.startswith("handlers.mail.send.") and not path.endswith(".run"):
                defaults[path.replace("mail.send", "invoice.render")] = printed[path]
        for path, (value, _) in printed.items():
            if path in defaults and value != defaults[path][0]:
                key = path.rsplit(".", 1)[1] if "." in path else path
                line = re.search(rf"^ *{key}(?:_file)?: .*$", self.text, re.M)
                self.assertIsNotNone(line, path)
                self.assertRegex(line.group(0), "efault|go together|key_file", path)

    def test_secrets_are_masked(self):
        printed = self.print_config("-c", self.file, env={"REDIS_URL": "redis://u:hunter2@h"})
        self.assertNotIn("secret", printed.replace("secrets", ""))
        self.assertNotIn("hunter2", printed)
        done = run(os.path.join(BIN, "wherry-scheduler"), "--print-config",
                   env={"REDIS_URL": "redis://u:hunter2@h", "WHERRY_REDIS_PASSWORD": "hunter3"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotRegex(done.stdout, "hunter")

    def slots(self, *flags, env=None):
        return options(self.print_config(*flags, env=env))["slots"]

    def test_passwords_of_urls_alone_are_masked(self):
        for program in ("wherry-worker", "wherry-scheduler"):
            done = run(os.path.join(BIN, program), "--print-config",
                       env={"REDIS_URL": "redis://u:hunter2@h/1"})
            self.assertIn('"redis://u:***@h/1"  # environment REDIS_URL', done.stdout)

    def test_refusals_say_where(self):
        """Also those that more than one value, or a program on disk, is needed for."""
        ok = "    run: exec:/bin/cat\n"
        cases = [
            ("lease: 2s\nheartbeat: 1500ms\n", ":2:12: heartbeat: must be at most half"),
            ("redis:\n  cert_file: x\n", ":2:14: redis.cert_file: it goes with"),
            ("redis: {url: 'http://x'}\n", ":1:14: redis.url: must be"),
            ("redis: {url: 'rediss://h', ca_file: /nowhere}\n", ":1:37: redis.ca_file: TLS"),
            ("queues: {a: 1, 'b c': 2}\n", ":1:16: queues: \"b c\" is no name"),
            ("handlers:\n  a.b: {timeout: 1s}\n", ":2:3: handlers.a.b.run: missing"),
            ("handlers:\n  x: 'exec:/nowhere/x'\n", ":2:6: handlers.x.run: /nowhere/x"),
            ("handlers:\n  x: 'native:/nowhere/x.so'\n", ":2:6: handlers.x.run: /nowhere/x"),
            ("handlers:\n  x: 'magic:x'\n", ":2:6: handlers.x.run: kind \"magic\""),
            (f"handlers:\n  x:\n{ok}    dir: /nowhere\n", ":4:10: handlers.x.dir: /nowhere is"),
            (f"handlers:\n  x:\n{ok}    retry: often\n", ":4:12: handlers.x.retry: \"often\""),
            (f"handlers:\n  x:\n{ok}    env: [A=1, B]\n", ":4:16: handlers.x.env: \"B\""),
            ("metrics: {listen: x}\n", ":1:19: metrics.listen: \"x\" must be"),
        ]
        for text, wanted in cases:
            file = self.write("bad.yaml", text)
            done = run(WORKER, "-c", file, "--check-config")
            self.assertEqual(done.returncode, EX_CONFIG, text)
            self.assertIn(f"wherry-worker: {file}{wanted}", done.stderr)
        done = run(WORKER, "--check-config", "--lease", "2s", env={"WHERRY_HEARTBEAT": "9s"})
        self.assertIn("wherry-worker: environment WHERRY_HEARTBEAT: must be", done.stderr)
        done = run(WORKER, "--check-config", "--handler", "x=exec:/nowhere/x")
        self.assertIn("wherry-worker: --handler: handlers.x.run: /nowhere/x", done.stderr)
        self.assertEqual(done.returncode, EX_CONFIG)
        once = [(("--handler", "x=./greet.sh"), None),
                (("-c", self.write("bad.yaml", "handlers: {x: {run: 'command:/bin/cat', dir: /nowhere}}\n")), None),
                ((), {"WHERRY_HANDLERS": "x=./greet.sh"})]
        for flags, env in once:
            told = run(WORKER, "--check-config", *flags, env=env).stderr
            self.assertEqual(told.count("\n"), 1, told)

    def test_overridden_values_are_checked(self):
        file = self.write("bad.yaml", "redis: {url: 'http://x'}\n")
        self.refused(EX_CONFIG, r"bad\.yaml:1:14: redis\.url: must be", "-c", file,
                     "--redis-url", "redis://h", "--check-config")
        done = run(WORKER, "--check-config", "--region", "eu", env={"WHERRY_REGION": "a b"})
        self.assertEqual(done.returncode, EX_CONFIG)
        self.assertIn("environment WHERRY_REGION: \"a b\" is no name", done.stderr)

    def wherry(self, *argv):
        done = run(os.path.join(BIN, "wherry"), "config", *argv, "--json")
        return done.returncode, json.loads(done.stdout)

    def test_json(self):
        file = self.write("small.yaml", "slots: 3\nhandlers:\n  a.b: 'exec:/bin/cat'\n")
        self.assertEqual(self.wherry("check", file), (0, {"valid": True}))
        status, printed = self.wherry("print", file)
        self.assertEqual(status, 0)
        self.assertEqual(printed["slots"], {"value": 3, "source": f"{file}:1:8"})
        self.assertEqual(printed["lease"], {"value": "15s", "source": "default"})
        self.assertEqual(printed["handlers.a.b.run"]["source"], f"{file}:3:8")
        cases = [("slots: 3\nregion: a b\n", 2, "region"),
                 ("handlers:\n  x: 'exec:/nowhere/x'\n", 2, "handlers.x.run"),
                 ("lease: 2s\nheartbeat: 1500ms\n", 2, "heartbeat")]
        for text, line, option in cases:
            file = self.write("bad.yaml", text)
            status, verdict = self.wherry("check", file)
            self.assertEqual((status, verdict["valid"]), (EX_CONFIG, False))
            error = verdict["errors"][0]
            self.assertEqual((error["file"], error["line"], error["option"]),
                             (file, line, option))
            self.assertTrue(error["column"] and error["message"])
        file = self.write("bad.yaml", "partitions: [eu:default, bad]\n")
        status, verdict = self.wherry("check", file, "--program", "scheduler")
        self.assertEqual(status, EX_CONFIG)
        self.assertEqual(verdict["errors"][0]["column"], 26)

    def test_all_mistakes(self):
        """Those of one file in one go, in its order; then those of the environment."""
        file = self.write("bad.yaml", "slots: 0\nqeues: {a: 1}\nlease: soon\n")
        wanted = [f"{file}:1:8: slots: \"0\" is out of range", f"{file}:2:1: unknown option",
                  f"{file}:3:8: lease: \"soon\"", "environment WHERRY_ORDER: "]
        for flags in (("--check-config",), ()):
            done = run(WORKER, "-c", file, *flags, env={"WHERRY_ORDER": "x"})
            self.assertEqual((done.returncode, done.stdout), (EX_CONFIG, ""))
            lines = done.stderr.splitlines()
            self.assertEqual(len(lines), len(wanted), lines)
            for line, text in zip(lines, wanted):
                self.assertTrue(line.startswith("wherry-worker: " + text), (line, text))
        status, verdict = self.wherry("check", file)
        self.assertEqual((status, verdict["valid"]), (EX_CONFIG, False))
        self.assertEqual([(e["line"], e["option"]) for e in verdict["errors"]],
                         [(1, "slots"), (2, None), (3, "lease")])
        file = self.write("bad.yaml", "handlers:\n  a: 'exec:/nowhere/a'\n  b: 'exec:/bin/cat'\n"
                                      "  c: 'command:/nowhere/c'\n")
        status, verdict = self.wherry("check", file)
        self.assertEqual((status, [(e["line"], e["option"]) for e in verdict["errors"]]),
                         (EX_CONFIG, [(2, "handlers.a.run"), (4, "handlers.c.run")]))
        done = run(WORKER, "-c", file)
        self.assertEqual((done.returncode, done.stderr.count(f"wherry-worker: {file}:")),
                         (EX_CONFIG, 2))
        file = self.write("bad.yaml", "slots: 0\nlease: 10s\nheartbeat: 9s\nhandlers:\n"
                                      "  a: 'magic:a'\n  b: {run: 'exec:/nowhere/b', dir: /nowhere}\n"
                                      "  c: {timeout: 5, schema: /nowhere.json}\n  d: [x]\n")
        for flags in (("--check-config",), ()):
            done = run(WORKER, "-c", file, *flags)
            told = [line.removeprefix(f"wherry-worker: {file}:") for line in done.stderr.splitlines()]
            self.assertEqual([re.match(r"\d+:\d+: [\w.]+", line)[0] for line in told],
                             ["1:8: slots", "5:6: handlers.a.run", "7:16: handlers.c.timeout",
                              "8:6: handlers.d", "3:12: heartbeat", "6:36: handlers.b.dir",
                              "7:3: handlers.c.run", "7:27: handlers.c.schema"])
        file = self.write("bad.yaml", "lease: 1\nheartbeat: 9s\nhandlers: {a: 'exec:/nowhere/a'}\n")
        status, verdict = self.wherry("check", file) # no word on the half of a lease not known
        self.assertEqual([e["option"] for e in verdict["errors"]], ["lease", "handlers.a.run"])
        many = self.write("many.yaml", "".join(f"zzzzz{i}: 1\n" for i in range(30)))
        done = run(WORKER, "-c", many)
        self.assertEqual(len(done.stderr.splitlines()), 21)
        self.assertIn("these are the first 20; there may be more", done.stderr)

    def test_stdout_that_is_full(self):
        wherry = os.path.join(BIN, "wherry")
        commands = [(os.path.join(BIN, f"wherry-{program}"), *flags)
                    for program in ("worker", "scheduler")
                    for flags in (("--help",), ("--version",), ("--print-config",),
                                  ("--check-config",), ("--check-config", "--json"))]
        commands += [(wherry, "config", verb, self.write("empty.yaml", ""))
                     for verb in ("print", "check")]
        for command in commands:
            with open("/dev/full", "wb") as full:
                done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True,
                                      check=False)
            self.assertEqual(done.returncode, EX_IOERR, command)
            self.assertIn("can't write to stdout: No space left", done.stderr)

    def test_no_handlers(self):
        done = run(WORKER, "--check-config")
        self.assertEqual((done.returncode, done.stdout), (0, "configuration ok\n"))
        self.assertIn("warning: handlers: there is none", done.stderr)

    def test_precedence(self):
        file = self.write("small.yaml", "slots: 3\n")
        env = {"WHERRY_SLOTS": "4"}
        self.assertEqual(self.slots()[1], "default")
        self.assertEqual(self.slots("-c", file)[0], "3")
        self.assertEqual(self.slots("-c", file, env=env)[0], "4")
        self.assertEqual(self.slots("-c", file, "--slots", "5", env=env)[0], "5")
        level = options(self.print_config(env={"LOG_LEVEL": "error"}))["log.level"]
        self.assertEqual(level[0], "error")
        level = options(self.print_config(env={"LOG_LEVEL": "error",
                                               "WHERRY_LOG_LEVEL": "warn"}))["log.level"]
        self.assertEqual(level[0], "warn")

    def refused(self, status, wanted, *argv):
        for program in ("wherry-worker", "wherry-scheduler"):
            done = run(os.path.join(BIN, program), *argv)
            self.assertEqual((program, done.returncode), (program, status), done.stderr)
            self.assertRegex(done.stderr, wanted)

    def test_exit_statuses(self):
        self.refused(EX_USAGE, "log-level", "--log-levell", "info")
        self.refused(EX_CONFIG, r"bad\.yaml:2:", "-c",
                     self.write("bad.yaml", "log:\n  levell: info\n"))
        self.refused(EX_CONFIG, r"twice\.yaml:2:", "-c",
                     self.write("twice.yaml", "name: a\nname: b\n"))
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.refused(EX_IOERR, "in use; --metrics-listen 127.0.0.1:0 picks a free port", "--metrics-listen",
                         f"127.0.0.1:{taken.getsockname()[1]}",
                         "--redis-url", f"unix://{self.folder}/none")
        done = run(os.path.join(BIN, "wherry"), "--redis", f"unix://{self.folder}/none",
                   "queue", "list")
        self.assertEqual(done.returncode, EX_UNAVAILABLE, done.stderr)

    def test_alerts(self):
        text = example("alerts.yaml")
        known = set(re.findall(r"^\| `(\w+)` \|", page(PAGE), re.M))
        for expression in re.findall(r"expr: (.*)", text):
            names = set(re.findall(r"\b(?:wherry|region_worker)_\w+", expression))
            self.assertTrue(names and names <= known, expression)
        if shutil.which("promtool") is None:
            self.assertNotEqual(os.environ.get("CI"), "true", "promtool is not installed")
            self.skipTest("promtool is not installed (Debian package prometheus)")
        done = run("promtool", "check", "rules", self.write("alerts.yaml", text))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class SchedulerExample(unittest.TestCase):
    """scheduler.yaml has every option of the scheduler and of a schedule."""

    def test_is_accepted_and_full(self):
        program = os.path.join(BIN, "wherry-scheduler")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file, \
                tempfile.NamedTemporaryFile("w", suffix=".json") as schema:
            schema.write('{"required": ["kind"]}')
            schema.flush()
            file.write(re.sub(r"/srv/[\w./-]+\.json", schema.name, example("scheduler.yaml")))
            file.flush()
            if os.path.exists("/usr/share/zoneinfo/Europe/Berlin"):
                done = run(program, "-c", file.name, "--check-config")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
            printed = options(run(program, "-c", file.name, "--print-config").stdout)
        for path in [p for p in printed if not p.startswith(("redis.", "log."))]:
            value, source = printed[path]
            self.assertIsNotNone(value, f"the example does not have {path}")
            self.assertNotEqual(source, "default", f"the example does not have {path}")
        self.assertIn("schedules.nightly-report.misfire_max", printed)
        self.assertIn("cron.interval", printed)

    def test_all_mistakes(self):
        program = os.path.join(BIN, "wherry-scheduler")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("schedules:\n"
                       "  a: {expression: '@daily', partition: 'eu:x'}\n"
                       "  b: {expression: '@daily', partition: 'eu:x', type: t}\n"
                       "  c: {expression: '61 * * * *', partition: 'eu:x', type: t}\n"
                       "redis: {key_file: x}\n")
            file.flush()
            done = run(program, "-c", file.name)
            self.assertEqual(done.returncode, EX_CONFIG)
            lines = [line.removeprefix(f"wherry-scheduler: {file.name}:")
                     for line in done.stderr.splitlines()]
            self.assertEqual(["".join(re.findall(r"^\S+: \S+:", line)) for line in lines],
                             ["5:19: redis.key_file:", "2:3: schedules.a.type:",
                              "4:19: schedules.c.expression:"])
            done = run(program, "-c", file.name, "--check-config", "--json")
            self.assertEqual([e["line"] for e in json.loads(done.stdout)["errors"]], [5, 2, 4])
            file.write("leader: x\n")
            file.flush()
            done = run(program, "-c", file.name, "--check-config", "--json")
            self.assertEqual([e["line"] for e in json.loads(done.stdout)["errors"]], [6, 5, 2, 4])
            file.write("schedule_set: a b\n")
            file.flush()
            done = run(program, "-c", file.name)
            self.assertEqual(done.stderr.count("schedule_set: \"a b\" is no name"), 1)
            self.assertEqual(len(done.stderr.splitlines()), 3)

    def test_a_set_was_not_called_as_it_is(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("schedule_set: team\nschedule_set_was: [old, team]\n")
            file.flush()
            done = run(os.path.join(BIN, "wherry-scheduler"), "-c", file.name, "--check-config")
            self.assertEqual(done.returncode, EX_CONFIG)
            self.assertIn('schedule_set_was: "team" is the set\'s own name', done.stderr)


class AccessList(DocsTest):
    """What the example's users may, and may not, on a Redis that knows no library yet."""

    def setUp(self):
        super().setUp()
        self.passwords = {}
        for line in example("users.acl").splitlines():
            name, *rules = line.split()[1:]
            self.fleet.redis("ACL", "SETUSER", name, *rules)
            self.passwords[name] = next(r[1:] for r in rules if r.startswith(">"))

    def login(self, user):
        self.fleet.redis("AUTH", user, self.passwords[user])

    def start(self, program, name, *options):
        return self.fleet.start(program, name, "--redis-user", "wherry", *options,
                                env={"WHERRY_REDIS_PASSWORD": self.passwords["wherry"]})

    def test_programs(self):
        scheduler = self.start("wherry-scheduler", "scheduler", "--partitions", "eu:default")
        worker = self.start("wherry-worker", "w", "--region", "eu", "--handler",
                            f"noop=native:{BUILD}/lib/wherry/handlers/noop.so")
        for process in (scheduler, worker):
            wait_for(lambda p=process: self.fleet.is_ready(p), f"{process.name} to be ready")
        self.login("producer")
        self.fleet.fcall("wh1_enqueue", "noop", "", "DELAY", 50)
        self.fleet.enqueue(20, "noop")
        wait_for(lambda: self.fleet.stats()["completed"] == 21, "the jobs to be completed")
        for process in (scheduler, worker):
            self.assertNotIn("NOPERM", process.log())
        doctor = run(os.path.join(BIN, "wherry"), "doctor", env={
            "REDIS_URL": self.fleet.url, "WHERRY_REDIS_USER": "wherry",
            "WHERRY_REDIS_PASSWORD": self.passwords["wherry"]})
        self.assertNotIn("allow ", doctor.stdout)
        self.assertEqual(doctor.returncode, 0, doctor.stdout + doctor.stderr)

    def refused(self, *command):
        with self.assertRaisesRegex(RedisError, "NOPERM", msg=str(command)):
            self.fleet.redis(*command)

    def test_refusals(self):
        for user in ("producer", "wherry"):
            self.fleet.drop_client()
            self.login(user)
            self.refused("FLUSHALL")
            self.refused("KEYS", "*")
            self.refused("GET", "somebody")
            self.refused("CONFIG", "SET", "maxmemory", "1")
            self.refused("FUNCTION", "FLUSH")
            self.refused("EVAL", "return 1", 0)
        self.fleet.drop_client()
        self.login("producer")
        self.refused("FUNCTION", "LOAD", "#!lua name=x")


if __name__ == "__main__":
    need("wherry", "wherry-worker", "wherry-scheduler", "wherry-executor")
    unittest.main(verbosity=2)
