#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What operators and producers get wrong, and what they are told: refused with the place.

A configuration that is wrong ends the program with status 78 and file:line:column; a
plug-in that is none is refused before any job is claimed for it.
"""
import os
import random
import shutil
import signal
import subprocess

from fleet import (BIN, DEADLINE_S, PLUGIN, FaultTest, RedisError, exec_handler, main,
                   native_handler, wait_for)

EX_CONFIG, EX_USAGE = 78, 2
RUN = exec_handler()

# name -> (text of the file, what the message must hold). {f} is the file's path.
CONFIGS = {
    "unknown key": ("slotz: 3\n", ["{f}:1:1:", "slotz", "slots"]),
    "unknown key of a handler": (f'handlers:\n  a:\n    run: "{RUN}"\n    tiemout: 3s\n',
                                 ["{f}:4:5:", "tiemout", "timeout"]),
    "wrong type": ("slots: many\n", ["{f}:1:8:", "slots"]),
    "out of range": ("slots: 0\n", ["{f}:1:8:", "slots", "1"]),
    "bad unit": ("lease: 3 parsecs\n", ["{f}:1:8:", "lease"]),
    "list for a scalar": ("region:\n  - eu\n", ["{f}:2:3:", "region"]),
    "duplicate key": ("slots: 3\nslots: 4\n", ["{f}:2:1:", "slots", "line 1"]),
    "duplicate handler": (f'handlers:\n  a: "{RUN}"\n  a: "{RUN}"\n', ["{f}:3:3:", "a"]),
    "no YAML": ("slots: [3\n", ["{f}:"]),
    "tabs": ("handlers:\n\ta: b\n", ["{f}:2:1:"]),
    "an alias": ("slots: &x 3\nname: *x\n", ["{f}:1:8:"]),
    "two documents": ("slots: 3\n---\nslots: 4\n", ["{f}:2:1:"]),
    "a handler of no kind": ('handlers:\n  a: "carrier-pigeon:x"\n', ["a", "carrier-pigeon"]),
    "a handler without program": ('handlers:\n  a: "exec:/nonexistent/program"\n',
                                  ["a", "/nonexistent/program"]),
    "a bad type": (f'handlers:\n  "a:b": "{RUN}"\n', ["a:b"]),
    "a bad queue": ("queues:\n  \"a{b}\": 1\n", ["a{b}"]),
    "a bad retry policy": (f'handlers:\n  a:\n    run: "{RUN}"\n    retry: now and then\n',
                           ["retry"]),
    "an unfinished quote": ("handlers:\n  a: \"exec:python3 'x\"\n", ["a"]),
}


class BadConfig(FaultTest):
    def refused(self, program, *options, status=EX_CONFIG, env=None):
        done = subprocess.run(
            [os.path.join(BIN, program), "--redis-url", self.fleet.url, *options],
            timeout=DEADLINE_S, capture_output=True, text=True, errors="replace", check=False,
            env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def config(self, text):
        path = os.path.join(self.fleet.folder, "bad.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def holds(self, message, *words):
        for word in words:
            self.assertIn(word, message)

    def test_configurations(self):
        for name, (text, words) in CONFIGS.items():
            with self.subTest(name):
                path = self.config(text)
                told = self.refused("wherry-worker", "-c", path, "--metrics-listen", "")
                self.holds(told, *[w.replace("{f}", path) for w in words])
                self.assertLessEqual(told.count("\n"), 2, told)

    def test_scheduler_configurations(self):
        for text, words in (("batchh: 3\n", [":1:1:", "batch"]), ("batch: 0\n", [":1:8:", "batch"]),
                            ("partitions: [nonsense]\n", ["nonsense"])):
            with self.subTest(text):
                path = self.config(text)
                self.holds(self.refused("wherry-scheduler", "-c", path, "--metrics-listen", ""),
                           *words)

    def test_missing_file(self):
        for program in ("wherry-worker", "wherry-scheduler"):
            told = self.refused(program, "-c", "/nonexistent/x.yaml")
            self.holds(told, "/nonexistent/x.yaml", "No such file")

    def test_command_line(self):
        told = self.refused("wherry-worker", "--slotz", "3", status=EX_USAGE)
        self.holds(told, "--slotz", "--slots")
        for value in ("many", "-1", "1001", "3x", ""):
            with self.subTest(value):
                self.holds(self.refused("wherry-worker", "--slots", value, status=EX_USAGE),
                           "--slots")

    def test_environment(self):
        told = self.refused("wherry-worker", env={"WHERRY_SLOTS": "many"})
        self.holds(told, "WHERRY_SLOTS")

    def test_secret_file(self):
        path = os.path.join(self.fleet.folder, "password")
        config = self.config(f"redis:\n  password_file: {path}\n")
        self.holds(self.refused("wherry-worker", "-c", config), path, f"{config}:2:18:", "No such file")
        self.holds(self.refused("wherry-worker", "--redis-password-file", path, status=EX_USAGE),
                   path, "No such file")
        os.mkdir(path)
        self.holds(self.refused("wherry-worker", "-c", config), path, f"{config}:2:18:")

    def test_secrets_stay_secret(self):
        """A password that Redis refuses: told, without the password, also in the argument list."""
        path = os.path.join(self.fleet.folder, "password")
        with open(path, "w", encoding="utf-8") as file:
            file.write("secret-word\n")
        os.chmod(path, 0o600)
        worker = self.fleet.start_worker("w", {"*": native_handler()}, "--redis-password-file",
                                         path, "--log-level", "debug", ready=False)
        wait_for(lambda: "password" in worker.http("/readyz")[1], "readyz to tell")
        worker.send(signal.SIGUSR1)
        worker.send(signal.SIGHUP)
        worker.wait_event("config.reloaded")
        self.assertNotIn("secret-word", worker.log())
        for page in ("/readyz", "/metrics", "/livez"):
            self.assertNotIn("secret-word", worker.http(page)[1])

    def test_redis_url(self):
        for url, rule in (("http://x", "redis://HOST"), ("redis://[::1", "IPv6"),
                          ("redis://h:99999", "65535"), ("unix://", "unix:///"),
                          ("redis://h/x", "database")):
            with self.subTest(url):
                done = subprocess.run([os.path.join(BIN, "wherry-worker"), "--redis-url", url,
                                       "--metrics-listen", ""], capture_output=True, text=True,
                                      timeout=DEADLINE_S, check=False)
                self.assertEqual(done.returncode, EX_CONFIG, done.stderr)
                self.holds(done.stderr, "--redis-url", rule)

    # ---- plug-ins

    def bad_plugin(self, path, *words):
        config = self.fleet.worker_config({"a": f"native:{path}"})
        told = self.refused("wherry-worker", "-c", config, "--metrics-listen", "")
        self.holds(told, os.path.basename(path), *words)

    def test_plugins(self):
        folder, here = os.path.dirname(PLUGIN), self.fleet.folder
        self.bad_plugin("/nonexistent/x.so", "No such file")
        self.bad_plugin(os.path.join(folder, "wrong_abi.so"), "ABI", "99", "1")
        self.bad_plugin(os.path.join(folder, "no_symbol.so"), "wherry_plugin_v1")
        text = os.path.join(here, "text.so")
        with open(text, "w", encoding="utf-8") as file:
            file.write("this is no shared object\n")
        self.bad_plugin(text)
        self.bad_plugin(here)
        open_to_all = os.path.join(here, "open.so")
        shutil.copy(PLUGIN, open_to_all)
        os.chmod(open_to_all, 0o666)
        self.bad_plugin(open_to_all, "writ")
        cut = os.path.join(here, "cut.so")
        with open(PLUGIN, "rb") as whole, open(cut, "wb") as file:
            file.write(whole.read(2000))
        self.bad_plugin(cut)

    def test_reload(self):
        """SIGHUP with a broken file: told, and the old configuration goes on."""
        worker = self.fleet.start_worker("w", {"*": native_handler()})
        path = [a for a in worker.child.args if a.endswith(".yaml")][0]
        with open(path, "a", encoding="utf-8") as file:
            file.write("slotz: 3\n")
        worker.send(signal.SIGHUP)
        told = worker.wait_event("config.reload_refused")
        self.assertIn("slotz", told["error"])
        self.fleet.enqueue(10, "work")
        self.fleet.wait_drained()


class BadJobs(FaultTest):
    NAMES = (b"a{b}", b"a:b", b"a\0b", b"x" * 10240, b"", b"a b", b"\xff\xfe", b"..\n", b"a/b")

    def refuse(self, word, *args, key="wh:{eu:default}"):
        with self.assertRaises(RedisError) as refused:
            self.fleet.fcall("wh1_enqueue", *args, key=key)
        self.assertEqual(refused.exception.word, word)
        self.assertNotIn("xxxx", str(refused.exception), "no user data in errors")

    def test_names(self):
        for name in self.NAMES:
            with self.subTest(name[:10]):
                self.refuse("WHBADARG", name, b"")
                self.refuse("WHBADARG", "work", b"", "ORG", name)
                self.refuse("WHBADARG", "work", b"", key=b"wh:{eu:" + name + b"}")
                self.refuse("WHBADARG", "work", b"", key=b"wh:{" + name + b":default}")
        self.assertEqual(self.fleet.stats()["enqueued"], 0)

    def test_payloads(self):
        self.refuse("WHTOOBIG", "work", b"x" * 262145)
        self.fleet.configure(payload_max=100)
        self.refuse("WHTOOBIG", "work", b"x" * 101)
        with self.assertRaises(RedisError):
            self.fleet.enqueue(3, "work", lambda n: b"x" * (100 + n // 2))
        self.fleet.sent.clear()
        self.assertEqual(self.fleet.stats()["enqueued"], 0, "one bad job refuses its batch")
        self.fleet.configure(payload_max=67108864)
        self.fleet.start_worker("w", {"*": exec_handler()})
        jobs = [self.fleet.enqueue_one("fault", b"none " + b" " * size)
                for size in (0, 1 << 20, 16 << 20)]
        wait_for(lambda: self.fleet.unfinished() == 0, "large jobs")
        for job in jobs:
            self.assertEqual(self.fleet.job(job)["status"], "completed")
        self.fleet.check_all()

    def test_heads(self):
        """Heads that no Wherry made: refused one by one, whatever they claim to hold."""
        bad = [b"", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\x93\xa1a", b"\x93\xa1a\xa1b\x0a",
               b"\x93\xa1a\xa1b\xff", b"\x91" * 40, b"\x94\xa1a\xa1b\x05\x81\xa2zz\x01",
               b"\x93\xa1a\xa1b\x05extra", b"\xdf\xff\xff\xff\xff", b"\x93\xdb\xff\xff\xff\xff"]
        bad += [random.randbytes(random.randrange(1, 60)) for _ in range(300)]
        for text in bad:
            try:
                self.fleet.fcall("wh1_enqueue_batch", os.urandom(16), text, b"")
                self.fail(f"accepted: {text!r}")
            except RedisError as error:
                self.assertIn(error.word, ("WHBADARG", "WHTOOBIG"), (text, str(error)))
        self.assertEqual(self.fleet.stats()["enqueued"], 0)

    def test_records_of_another_hand(self):
        """A record that somebody broke in Redis: its claim ends, the worker goes on."""
        jobs = self.fleet.enqueue(3, "work")
        raw = bytes.fromhex(jobs[1].replace("-", ""))
        record = self.fleet.redis("HGET", "wh:{eu:default}:jobs", raw)
        self.fleet.redis("HSET", "wh:{eu:default}:jobs", raw, record[:9] + b"\xc1" + record[10:])
        worker = self.fleet.start_worker("w", {"*": native_handler()})
        good = self.fleet.enqueue(20, "work")
        wait_for(lambda: all(self.fleet.job(j)["status"] == "completed"
                             for j in good + [jobs[0], jobs[2]]), "the good ones")
        self.assertTrue(worker.is_running())


if __name__ == "__main__":
    main()
