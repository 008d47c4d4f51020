#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Payloads against schemas at both ends: `wherry` before a job is sent, the worker before it runs."""
import json
import os
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "fault"))
from fleet import BIN, FaultTest, main, wait_for  # noqa: E402

RUN = "command:" + (shutil.which("true") or "/bin/true")
ADULT = {"type": "object", "required": ["age"], "properties": {"age": {"minimum": 18}}}
MINOR = "/age: 17 is less than minimum 18"
EX_DATA, EX_IO, EX_CONFIG, EX_USAGE = 65, 74, 78, 2


class SchemaTest(FaultTest):
    def write(self, name, value):
        path = os.path.join(self.fleet.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(value if isinstance(value, str) else json.dumps(value))
        return path


class Worker(SchemaTest):
    def start(self, settings, **more):
        return self.fleet.start_worker("w", {"adult": {"run": RUN, **settings}, "free": RUN}, **more)

    def ended(self, kind, payload):
        job = self.fleet.enqueue_one(kind, payload)
        return wait_for(lambda: (lambda j: j if j["status"] in ("completed", "failed") else None)(
            self.fleet.job(job)), f"{job} to end")

    def test_refuses_before_dispatch(self):
        worker = self.start({"schema": self.write("adult.json", ADULT)})
        bad = self.ended("adult", b'{"age":17}')
        self.assertEqual(bad["status"], "failed")
        self.assertEqual((bad["error_category"], bad["error_message"]), ("invalid", MINOR))
        self.assertEqual(bad["attempts"], "1")
        broken = self.ended("adult", b'{"age":')
        self.assertIn("not JSON", broken["error_message"])
        self.assertEqual(self.ended("adult", b'{"age":18}')["status"], "completed")
        self.assertEqual(self.ended("free", b'{"age":17}')["status"], "completed")
        self.assertEqual(worker.metric("wherry_worker_payload_refused_total"), 2)
        self.assertEqual(worker.metric("region_worker_job_failed_total"), 2)
        self.assertEqual(worker.metric("region_worker_job_started_total"), 2)
        dead = subprocess.run([os.path.join(BIN, "wherry"), "dlq", "list", "eu:default", "--json"],
                              env={**os.environ, "REDIS_URL": self.fleet.url}, check=True,
                              capture_output=True, text=True, timeout=30).stdout
        self.assertIn(MINOR, [json.loads(line)["error_message"] for line in dead.splitlines()])

    def test_msgpack(self):
        self.start({"schema": self.write("adult.json", ADULT), "schema_format": "msgpack"})
        self.assertEqual(self.ended("adult", b"\x81\xa3age\x12")["status"], "completed")
        self.assertEqual(self.ended("adult", b"\x81\xa3age\x11")["error_message"], MINOR)
        self.assertEqual(self.ended("adult", b'{"age":18}')["error_category"], "invalid")

    def test_costly_checks_end(self):
        """What can't be checked in time is dead at once, and says what to do; size is no reason."""
        schema = {"items": {"maxLength": 100000}, "uniqueItems": True, "pattern": "^(a+)+$"}
        worker = self.start({"schema": self.write("costly.json", schema)})
        bad = self.ended("adult", json.dumps("a" * 3000 + "!").encode())
        self.assertEqual((bad["error_category"], bad["attempts"]), ("invalid", "1"))
        self.assertIn("takes too much work; simplify the schema", bad["error_message"])
        wide = self.ended("adult", json.dumps(["x" * 90 + str(i) for i in range(2000)]).encode())
        self.assertEqual(wide["status"], "completed")
        self.assertEqual(worker.metric("wherry_worker_payload_refused_total"), 1)

    def test_bad_schema_at_start(self):
        path = self.write("bad.json", {"nonsense": 1})
        config = self.write("try.yaml", f"handlers:\n  x: {{run: '{RUN}', schema: '{path}'}}\n")
        for more in ((), ("--check-config",)):
            worker = self.fleet.start("wherry-worker", "try", "-c", config, *more)
            self.assertEqual(worker.wait(), EX_CONFIG)
            said = worker.log()
            column = len(f"  x: {{run: '{RUN}', schema: ") + 1
            self.assertIn(f"{config}:2:{column}: handlers.x.schema: {path}: ", said)
            self.assertIn("nonsense", said)
        self.write("try.yaml", f"handlers:\n  x: {{run: '{RUN}', schema: /nowhere/x.json}}\n")
        worker = self.fleet.start("wherry-worker", "try", "-c", config)
        self.assertEqual(worker.wait(), EX_CONFIG)
        self.assertIn("/nowhere/x.json: ", worker.log())

    def test_reload(self):
        path = self.write("adult.json", ADULT)
        worker = self.start({"schema": path})
        self.assertEqual(self.ended("adult", b'{"age":17}')["status"], "failed")
        self.write("adult.json", {"nonsense": 1})
        worker.send(signal.SIGHUP)
        self.assertIn("nonsense", worker.wait_event("config.reload_refused")["error"])
        self.assertEqual(self.ended("adult", b'{"age":17}')["status"], "failed")
        self.write("adult.json", {"properties": {"age": {"minimum": 16}}})
        worker.send(signal.SIGHUP)
        worker.wait_event("config.reloaded")
        self.assertEqual(self.ended("adult", b'{"age":17}')["status"], "completed")
        self.assertEqual(self.ended("adult", b'{"age":15}')["status"], "failed")


class Schedules(SchemaTest):
    """Those that a scheduler's configuration declares."""

    def configure(self, age, schema):
        item = {"expression": "@daily", "partition": "eu:default", "type": "adult",
                "payload": json.dumps({"age": age}), "schema": schema}
        return self.write("scheduler.yaml", "schedules:\n  s:\n" + "".join(
            f"    {key}: {json.dumps(value)}\n" for key, value in item.items()))

    def payload(self):
        text = self.fleet.redis("HGET", "wh:{eu:default}:cron", "s")
        return None if text is None else json.loads(json.loads(text)["payload"])

    def test_refused_at_start_and_check(self):
        schema, bad = self.write("adult.json", ADULT), self.write("bad.json", {"nonsense": 1})
        for age, path, place in ((17, schema, f"6:14: schedules.s.payload: {MINOR}"),
                                 ("x", bad, f"7:13: schedules.s.schema: {bad}: at /nonsense: "),
                                 (18, "/nowhere/x", "7:13: schedules.s.schema: /nowhere/x: ")):
            config = self.configure(age, path)
            for words in (("wherry-scheduler", "-c", config),
                          ("wherry-scheduler", "-c", config, "--check-config"),
                          ("wherry", "config", "check", config, "--program", "scheduler")):
                done = subprocess.run([os.path.join(BIN, words[0]), *words[1:]], timeout=30,
                                      capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, EX_CONFIG, (words, done.stderr))
                self.assertIn(f"{config}:{place}", done.stderr)
        config = self.write("scheduler.yaml", "schedules: {s: {expression: '@daily', type: t, "
                            f"partition: 'eu:default', schema: '{schema}'}}}}\n")
        done = subprocess.run([os.path.join(BIN, "wherry-scheduler"), "-c", config, "--check-config"],
                              timeout=30, capture_output=True, text=True, check=False)
        self.assertIn("schedules.s.payload: not JSON: empty", done.stderr)

    def test_reload(self):
        schema = self.write("adult.json", ADULT)
        scheduler = self.fleet.start_scheduler("s", "-c", self.configure(18, schema))
        wait_for(lambda: self.payload() == {"age": 18}, "the schedule")
        self.configure(17, schema)
        scheduler.send(signal.SIGHUP)
        self.assertIn(MINOR, scheduler.wait_event("config.reload_refused")["error"])
        self.configure(19, schema)
        scheduler.send(signal.SIGHUP)
        wait_for(lambda: self.payload() == {"age": 19}, "the change")


class CommandLine(SchemaTest):
    def wherry(self, *words, stdin="", status=0):
        done = subprocess.run([os.path.join(BIN, "wherry"), *words], input=stdin, capture_output=True,
                              env={**os.environ, "REDIS_URL": self.fleet.url}, text=True, timeout=30,
                              check=False)
        self.assertEqual(done.returncode, status, (words, done.stdout, done.stderr))
        return done

    def enqueue(self, *words, **more):
        return self.wherry("job", "enqueue", "--region", "eu", *words, **more)

    def test_enqueue(self):
        schema = self.write("adult.json", ADULT)
        bad = self.enqueue("adult", '{"age":17}', "--schema", schema, status=EX_DATA)
        self.assertIn(MINOR, bad.stderr)
        self.assertEqual(self.fleet.stats()["pending"], 0)
        self.enqueue("adult", '{"age":18}', "--schema", schema)
        self.enqueue("adult", "-", "--schema", schema, "--schema-format", "msgpack", stdin="\x01",
                     status=EX_DATA)
        self.enqueue("adult", "x", "--schema-format", "json", status=EX_USAGE)
        self.enqueue("adult", "x", "--schema", self.write("bad.json", "{"), status=EX_CONFIG)
        self.enqueue("adult", "x", "--schema", "/nowhere/x.json", status=EX_IO)
        self.assertEqual(self.fleet.stats()["pending"], 1)

    def test_jsonl(self):
        lines = "".join(json.dumps({"type": "adult", "payload": {"age": age}}) + "\n"
                        for age in (20, 30, 17, 40))
        done = self.enqueue("--jsonl", "--schema", self.write("adult.json", ADULT), stdin=lines,
                            status=EX_DATA)
        self.assertIn("line 3: " + MINOR, done.stderr)
        self.assertIn("go on at line 3", done.stderr)
        self.assertEqual(self.fleet.stats()["pending"], 2)

    def test_check(self):
        schema = self.write("adult.json", ADULT)
        good, bad = self.write("good.json", {"age": 18}), self.write("bad.json", {"age": 17})
        self.assertIn("a schema", self.wherry("schema", "check", schema).stdout)
        self.assertEqual(json.loads(self.wherry("schema", "check", schema, "--json").stdout),
                         {"schema": schema, "valid": True})
        for wrong, status in ((self.write("wrong.json", {"type": 5}), EX_CONFIG),
                              ("/nowhere/x.json", EX_IO)):
            for words in ((wrong,), (wrong, good)):
                done = self.wherry("schema", "check", *words, "--json", status=status)
                told = json.loads(done.stdout)
                self.assertEqual((told["schema"], told["valid"], done.stderr), (wrong, False, ""))
                self.assertIn(wrong, told["message"])
        self.assertEqual(self.wherry("schema", "check", schema, good, "-", stdin='{"age":20}').stdout,
                         f"{good}: valid\n-: valid\n")
        done = self.wherry("schema", "check", schema, bad, good, status=EX_DATA)
        self.assertEqual(done.stdout, f"{bad}: {MINOR}\n{good}: valid\n")
        told = self.wherry("schema", "check", schema, bad, good, "--json", status=EX_DATA).stdout
        self.assertEqual([json.loads(line) for line in told.splitlines()], [
            {"payload": bad, "valid": False, "instance": "/age", "schema": "/properties/age/minimum",
             "keyword": "minimum", "message": MINOR},
            {"payload": good, "valid": True}])
        self.wherry("schema", "check", schema, good, "--schema-format", "msgpack", status=EX_DATA)
        self.wherry("schema", "check", schema, "/nowhere/x", good, status=EX_IO)
        self.wherry("schema", "check", "/nowhere/x.json", good, status=EX_IO)
        self.wherry("schema", "check", status=EX_USAGE)
        refused = self.wherry("schema", "check", self.write("broken.json", {"nonsense": 1}), status=EX_CONFIG)
        self.assertIn("nonsense", refused.stderr)


if __name__ == "__main__":
    main()
