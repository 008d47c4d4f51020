#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What handlers of the three kinds are told of their job, and what they are held to."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "fault"))
from fleet import BUILD, SOURCE, FaultTest, main, wait_for  # noqa: E402

ANY_MAIL, EU = "wh:{any:mail}", "wh:{eu:default}"
WHERE = os.path.join(BUILD, "lib", "wherry", "test-plugins", "where.so")
# Its result says where the job belongs: "region:queue attempts".
TELLER = """
import json, os
pipe = os.fdopen(3, "rb")
def tell(body=b"", **fields):
    os.write(4, json.dumps({**fields, "body_len": len(body)}).encode() + b"\\n" + body)
for line in pipe:
    header = json.loads(line)
    pipe.read(header.get("body_len", 0))
    if header["op"] == "hello":
        tell(op="ready", version=1, concurrency=1)
    elif header["op"] == "job":
        text = "%(region)s:%(queue)s %(max_attempts)s" % header
        if header["type"] == "snooze" and header["fence"] < 110:
            tell(op="result", id=header["id"], status="snooze", delay_ms=0)
        elif header["type"] == "nap":
            tell(op="result", id=header["id"], status="snooze", delay_ms=100)
        elif header["type"] == "limited" and header["body_len"] == 0:
            tell(op="result", id=header["id"], status="retry", category="rate_limited")
        else:
            tell(text.encode(), op="result", id=header["id"], status="ok")
    elif header["op"] == "shutdown":
        break
"""


class Handlers(FaultTest):
    def one(self, kind, *options, key=EU, payload=b"x"):
        return self.fleet.fcall("wh1_enqueue", kind, payload, *options, key=key)[0].decode()

    def wait_status(self, job, status, key=EU):
        wait_for(lambda: self.fleet.job(job, key)["status"] == status, f"{job} to be {status}")

    def script(self, name, text):
        path = os.path.join(self.fleet.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def kinds(self):
        tell = "command:sh -c 'printf \"%s:%s %s\" $WHERRY_REGION $WHERRY_QUEUE $WHERRY_MAX_ATTEMPTS'"
        return {"native": "native:" + WHERE, "command": tell,
                "exec": "exec:python3 " + self.script("tell.py", TELLER)}

    def test_where_a_job_belongs(self):
        """Also a job of the region any, which a worker of eu runs."""
        self.fleet.fcall("wh1_configure", "keep_count", 1000, key=ANY_MAIL)
        config = self.fleet.worker_config(self.kinds())
        with open(config, "a", encoding="utf-8") as file:
            file.write("queues: {default: 1, mail: 1}\n")
        self.fleet.start("wherry-worker", "w", "-c", config, "--region", "eu")
        for key, place in ((EU, "eu:default"), (ANY_MAIL, "any:mail")):
            for kind in self.kinds():
                job = self.one(kind, key=key)
                self.wait_status(job, "completed", key)
                self.assertEqual(self.fleet.job(job, key)["result"], place + " 5", kind)

    def test_retry_none(self):
        """A job that asks for more attempts gets no more than its handler allows."""
        told = {kind: {"run": run, "retry": "none"} for kind, run in self.kinds().items()}
        worker = self.fleet.start_worker("w", {
            **told, "bad": {"run": "command:sh -c 'exit 69'", "retry": "none"}})
        job = self.one("bad", "MAXATTEMPTS", "3")
        self.wait_status(job, "failed")
        self.assertEqual(self.fleet.job(job)["attempts"], "1")
        self.assertEqual(worker.metric("region_worker_job_failed_total"), 1)
        for kind in told:
            job = self.one(kind, "MAXATTEMPTS", "3")
            self.wait_status(job, "completed")
            self.assertEqual(self.fleet.job(job)["result"], "eu:default 1", kind)

    def test_snoozes_without_end(self):
        """They use no attempt, so nothing ends them; somebody is told at least."""
        worker = self.fleet.start_worker("w", {"snooze": self.kinds()["exec"]})
        job = self.one("snooze")
        self.wait_status(job, "completed")
        told = worker.wait_event("job.snoozed_often")
        self.assertEqual((told["job"], told["level"]), (job, "warn"))
        self.assertEqual(worker.metric("wherry_snoozed_often_total"), 109 - 100)

    def test_retry_for_bounds_snoozes(self):
        self.fleet.start_worker("w", {"nap": self.kinds()["exec"]})
        job = self.one("nap", "RETRYFOR", "1000")
        self.wait_status(job, "failed")
        told = self.fleet.job(job)
        self.assertEqual((told["error_category"], told["attempts"]), ("error", "1"))
        self.assertIn("no snooze: more than 1000 ms (retry_for)", told["error_message"])
        self.assertGreater(int(told["fence"]), 1)

    def test_a_policy_s_delay_is_no_wish(self):
        """It is that of the one job; the type goes on, at half its rate."""
        self.fleet.fcall("wh1_limit", "adaptive:type/limited", "1/1000/1")
        self.fleet.start_worker("w", {"limited": {"run": self.kinds()["exec"], "retry": "fixed:1h"}})
        refused = self.one("limited", payload=b"")
        self.wait_status(refused, "scheduled")
        rate = self.fleet.redis("HGET", EU + ":breaker:limited", "rate")
        self.assertEqual(float(rate), 500)
        self.wait_status(self.one("limited"), "completed")

    def test_what_no_handler_ran_opens_no_breaker(self):
        """Refused by its schema, or without a handler."""
        self.fleet.fcall("wh1_limit", "breaker:type/*", "1/1/60000/60000/1")
        schema = self.script("object.json", '{"type": "object"}')
        self.fleet.start_worker("w", {"teller": {"run": self.kinds()["exec"], "schema": schema}})
        jobs = [self.one("teller", payload=b"1"), self.one("nobody")]
        self.wait_status(jobs[0], "failed")
        wait_for(lambda: self.fleet.job(jobs[1]).get("error_category") == "no_handler", "no_handler")
        self.assertFalse(self.fleet.redis("EXISTS", EU + ":broken"))

    def test_connections_are_told_apart(self):
        worker = self.fleet.start_worker("w", {"exec": self.kinds()["exec"]})
        worker.wait_event("redis.ready", 2)
        self.assertEqual({e["connection"] for e in worker.events("redis.ready")}, {"calls", "bell"})

    def test_demo_without_a_directory(self):
        for path in ("/nonexistent", os.path.join(SOURCE, "README.md")):
            done = subprocess.run([os.path.join(SOURCE, "scripts", "demo"), path], check=False,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout, done.stderr),
                             (66, "", f"demo: no such directory: {path}\n"))


if __name__ == "__main__":
    main()
