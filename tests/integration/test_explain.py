#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`wherry job explain` and `queue stats` of a real fleet: whatever keeps a job from running is named."""
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "fault"))
from fleet import (BIN, SHORT_LEASE, FaultTest, exec_handler, main, need,  # noqa: E402
                   wait_for)


class Told(FaultTest):
    def setUp(self):
        super().setUp()
        self.fleet.redis("FCALL", "wh1_register", 1, "wh:{registry}", "wh:{eu:default}")

    def wherry(self, *words):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith("WHERRY_") and k != "NO_COLOR"}
        env.update(REDIS_URL=self.fleet.url, HOME=self.fleet.folder)
        done = subprocess.run([os.path.join(BIN, "wherry"), *words], env=env, check=False,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def one(self, kind, *options):
        return self.fleet.fcall("wh1_enqueue", kind, b"hold", *options)[0].decode()

    def explain(self, job):
        return json.loads(self.wherry("job", "explain", job, "--json"))

    def until(self, job, reason):
        """What is said of it as soon as it has this reason."""
        last = {}

        def is_it():
            last.update(self.explain(job))
            return last.get("reason") == reason
        wait_for(is_it, f"the reason {reason}")
        return last

    def worker(self, name, kinds, *options, more="", **how):
        """One that runs jobs of these types until the gate is opened."""
        config = self.fleet.worker_config({kind: exec_handler() for kind in kinds})
        with open(config, "a", encoding="utf-8") as file:
            file.write(more)
        given = {"--lease": "60s", "--heartbeat": "500ms", "--drain-timeout": "5s", "--slots": "1",
                 **dict(zip(options[::2], options[1::2]))}
        process = self.fleet.start("wherry-worker", name, "-c", config, "--region", "eu",
                                   "--no-also-any", *[w for pair in given.items() for w in pair])
        if how.get("ready", True):
            wait_for(lambda: self.fleet.is_ready(process), f"{name} to be ready")
        return process

    def stats(self, *words):
        return json.loads(self.wherry("queue", "stats", "eu:default", "--json", *words))


class Workers(Told):
    def test_none_at_all(self):
        job = self.one("mail")
        said = self.explain(job)
        self.assertEqual((said["reason"], said["workers"]), ("no_worker", 0))
        self.assertEqual(said["sentence"], "waits because no live worker serves eu:default")

    def test_leases_ran_out(self):
        worker = self.worker("w", ["sms"], *SHORT_LEASE)
        worker.send(signal.SIGSTOP)
        # A job that comes before may be handed to it, which waits for one.
        wait_for(lambda: self.stats()["fleet"]["workers_lost"] == 1, "the lease to run out")
        job = self.one("mail")
        said = self.explain(job)
        self.assertEqual(said["reason"], "workers_lost")
        self.assertEqual((said["workers"], said["workers_lost"]), (0, 1))
        self.assertIn("the lease of 1 ran out", said["sentence"])
        self.assertRegex(self.wherry("job", "explain", job), r"(?m)^lost workers +1$")

    def test_its_worker_is_lost(self):
        """What was claimed does not run: nobody says that it does."""
        worker = self.worker("w", ["mail"], *SHORT_LEASE)
        job = self.one("mail")
        wait_for(lambda: self.fleet.started(job), "the job to start")
        self.assertRegex(self.explain(job)["sentence"], "^runs on worker ")
        worker.send(signal.SIGSTOP)
        said = wait_for(lambda: (lambda s: s if "lost_ms" in s else None)(self.explain(job)),
                        "the lease to run out")
        self.assertRegex(said["sentence"], "^was claimed by worker .*, which is lost: its lease ran out ")
        self.assertIn("lost for", self.wherry("job", "explain", job))

    def test_no_handler(self):
        """They claim it all the same; it waits between its attempts."""
        worker = self.worker("w", ["sms", "pdf"])
        job = self.one("mail")
        wait_for(lambda: self.fleet.job(job).get("error_category"), "the first attempt")
        said = self.until(job, "no_handler")
        self.assertEqual((said["workers"], said["workers_able"]), (1, 0))
        self.assertIn("no live worker has a handler for type mail", said["sentence"])
        self.assertEqual(said["error_category"], "no_handler")
        self.worker("v", ["*"])
        said = self.explain(job)
        self.assertNotEqual(said.get("reason"), "no_handler")
        info = [json.loads(i) for i in self.fleet.fcall("wh1_workers")[4::5]]
        self.assertEqual(sorted(i["types"] for i in info), [["*"], ["sms", "pdf"]])
        self.assertTrue(worker.is_running())

    def test_no_handlers_in_any(self):
        """Such a worker claims nothing: the job stays where it is."""
        self.worker("w", [], ready=False).wait_event("worker.registered")
        job = self.one("mail")
        said = self.until(job, "no_handler")
        self.assertEqual((said["status"], said.get("attempts")), ("pending", 0))

    def test_overdue(self):
        """Nobody lives who could bring it back."""
        said = self.until(self.one("mail", "DELAY", "1"), "no_worker")
        self.assertEqual(said["status"], "scheduled")
        self.assertRegex(said["sentence"], r"^waits because no live worker serves eu:default; "
                                           r"its time came \S+ ago, and nobody brought it back yet$")

    def test_its_deadline(self):
        job = self.one("mail", "EXPIRES", "500000", "DELAY", "900000")
        self.assertRegex(self.explain(job)["sentence"],
                         r"^waits because it is delayed \(runs in \S+( \S+)?\); it expires in "
                         r"\S+( \S+)?, before that$")
        self.assertIn("expires in", self.wherry("job", "explain", job))
        said = self.explain(self.one("mail", "EXPIRES", "500000"))
        self.assertRegex(said["sentence"], r"serves eu:default; it expires in \S+( \S+)?$")
        self.assertTrue(0 < said["expires_ms"] <= 500000)

    def test_quiet(self):
        worker = self.worker("w", ["mail"])
        worker.send(signal.SIGTSTP)
        worker.wait_event("worker.quiet")
        job = self.one("mail")
        said = self.until(job, "workers_quiet")
        self.assertEqual(said["sentence"],
                         "waits because the one live worker is quiet or about to end")

    def test_quiet_in_one_queue(self):
        """It goes on in its other queue, and says so there."""
        self.worker("w", ["mail"], more="queues: {default: 1, other: 1}\n")
        name = self.fleet.fcall("wh1_workers")[0]
        self.fleet.fcall("wh1_quiet", name)
        self.until(self.one("mail"), "workers_quiet")
        other = "wh:{eu:other}"

        def states():
            return [json.loads(self.fleet.fcall("wh1_workers", key=key)[4])["state"]
                    for key in ("wh:{eu:default}", other)]
        wait_for(lambda: states() == ["quiet", "running"], "both to be told")

    def test_memory(self):
        self.worker("w", ["mail"], more="memory_limit: 64KiB\n", ready=False)
        job = self.one("mail")
        said = self.until(job, "backpressure")
        self.assertEqual(said["pressure"], "memory")
        self.assertIn("the one live worker claims nothing for now (memory)", said["sentence"])
        fleet = self.stats()["fleet"]
        self.assertEqual((fleet["backpressure"], fleet["pressure"], fleet["workers_pressed"]),
                         (1.0, "memory", 1))
        self.assertIn("  backpressure: 1.00 (memory)",
                      self.wherry("queue", "stats", "eu:default").splitlines())

    def gauge(self, worker):
        """region_worker_backpressure, and the reasons that are 1."""
        reasons = [r for r in ("slots", "memory", "busy", "capacity", "handlers", "quiet",
                               "draining", "redis")
                   if worker.metric("wherry_worker_backpressure_reason"
                                    f'{{region="eu",reason="{r}"}}') == 1]
        return worker.metric("region_worker_backpressure"), reasons

    def held_back(self, worker, job, reason):
        """Explain, stats and the gauge say the same."""
        said = self.until(job, "backpressure")
        self.assertEqual(said["pressure"], reason)
        self.assertIn(f"claims nothing for now ({reason})", said["sentence"])
        fleet = self.stats()["fleet"]
        self.assertEqual((fleet["backpressure"], fleet["pressure"]), (1.0, reason))
        self.assertEqual(self.gauge(worker), (1, [reason]))

    def test_capacity(self):
        """Slots are free, but the one process of its handler runs a job."""
        config = self.fleet.worker_config({"mail": {"run": exec_handler(), "processes": 1}})
        worker = self.fleet.start("wherry-worker", "w", "-c", config, "--region", "eu",
                                  "--no-also-any", "--slots", "8", "--lease", "60s",
                                  "--heartbeat", "20s")
        wait_for(lambda: self.fleet.is_ready(worker), "the worker")
        first = self.one("mail")
        wait_for(lambda: self.fleet.started(first), "the job to start")
        job = self.one("mail")
        self.held_back(worker, job, "capacity")
        self.fleet.open_gate()
        wait_for(lambda: self.gauge(worker) == (0, []), "room for more")
        wait_for(lambda: self.stats()["fleet"]["pressure"] is None, "it to be told")

    def test_no_process_works(self):
        config = self.fleet.worker_config({"mail": "exec:/bin/false"})
        worker = self.fleet.start("wherry-worker", "w", "-c", config, "--region", "eu",
                                  "--no-also-any", "--lease", "60s", "--heartbeat", "20s")
        worker.wait_event("worker.registered")
        self.held_back(worker, self.one("mail"), "handlers")

    def test_one_handler_does_not_start(self):
        """The other one does: the worker claims, and gives back what it can't start."""
        config = self.fleet.worker_config({"mail": exec_handler(), "sms": "exec:/bin/false"})
        worker = self.fleet.start("wherry-worker", "w", "-c", config, "--region", "eu",
                                  "--no-also-any", "--lease", "60s")
        worker.wait_event("worker.registered")
        said = self.until(self.one("sms"), "not_started")
        self.assertEqual(said["status"], "scheduled")
        self.assertTrue(said["sentence"].startswith(
            "waits because no handler started it: the worker that claimed it gave it back, for "
            "its handler of type sms does not start ("), said)

    def test_quiet_is_told_at_once(self):
        """Not with the next heartbeat, and by the gauge too."""
        worker = self.worker("w", ["mail"], "--heartbeat", "20s", "--slots", "2")
        running = self.one("mail")
        wait_for(lambda: self.fleet.started(running), "the job to start")
        self.assertEqual(self.gauge(worker), (0.5, []))
        worker.send(signal.SIGTSTP)
        worker.wait_event("worker.quiet")
        job = self.one("mail")
        self.until(job, "workers_quiet")
        self.assertEqual(self.gauge(worker), (1, ["quiet"]))
        fleet = self.stats()["fleet"]
        self.assertEqual((fleet["backpressure"], fleet["pressure"]), (1.0, "quiet"))
        worker.send(signal.SIGTERM)
        wait_for(lambda: self.gauge(worker) == (1, ["quiet", "draining"]), "it to drain")
        wait_for(lambda: self.stats()["fleet"]["pressure"] == "draining", "it to be told")
        self.fleet.open_gate()

    def test_slots_and_fairness(self):
        """Who has the slot, who comes before it, and how long that may take."""
        self.worker("w", ["mail"])
        first = self.one("mail", "ORG", "acme")
        wait_for(lambda: self.fleet.started(first), "the job to start")
        self.fleet.redis("HSET", "wh:{eu:default}:types", "*", "2000", "mail", "2000")
        self.one("mail", "ORG", "acme")
        job = self.one("mail", "ORG", "acme")
        said = self.until(job, "no_slot")
        self.assertEqual((said["slots"], said["slots_used"], said["ahead_org"]), (1, 1, 1))
        self.assertEqual(said["holders"], [{"org": "acme", "active": 1}])
        self.assertEqual(said["wait_ms"], 4000)
        self.assertEqual((said["org_weight"], said["expected_ms"]), (1, 2000))
        self.assertTrue(said["sentence"].startswith("waits for a slot: all 1 are in use; "
                                                    "1 job is of org acme before it; about 4s if "
                                                    "what runs takes as long as such jobs do"), said)
        lines = self.wherry("job", "explain", job).splitlines()
        self.assertIn("slots used by    acme 1", lines)
        self.assertIn("estimated wait   4s", lines)
        fleet = self.stats()["fleet"]
        self.assertEqual((fleet["backpressure"], fleet["pressure"]), (1.0, "slots"))
        self.fleet.open_gate()
        self.fleet.wait_drained()
        self.assertEqual(self.explain(job)["sentence"], "does not wait: it is completed")


    def test_slots_of_another_queue(self):
        """The one slot serves two queues, and the other one's job has it."""
        self.worker("w", ["mail"], more="queues: {default: 1, other: 1}\n")
        holder = self.fleet.fcall("wh1_enqueue", "mail", b"hold", key="wh:{eu:other}")[0].decode()
        wait_for(lambda: self.fleet.started(holder), "the job to start")
        job = self.one("mail")
        said = self.until(job, "no_slot")
        self.assertEqual((said["slots"], said["slots_used"], said["slots_elsewhere"]), (1, 0, 1))
        self.assertTrue(said["sentence"].startswith(
            "waits for a slot: all 1 are in use, 1 of them by other queues (eu:other 1)"), said)
        self.fleet.open_gate()
        self.fleet.wait_drained()


class Settings(Told):
    def test_each_limit(self):
        """Set and removed while a job runs in the only slot: each is named before the workers are."""
        self.worker("w", ["mail"])
        first = self.one("mail", "ORG", "acme", "GROUP", "g")
        wait_for(lambda: self.fleet.started(first), "the job to start")
        second = self.one("mail", "ORG", "acme", "GROUP", "g")
        for setting, reason in (
                ("active:queue=1", "queue_cap"), ("active:org/acme=1", "org_cap"),
                ("active:type/mail=1", "type_cap"), ("active:group=1", "group_cap"),
                ("pause:org/acme=1", "org_paused"), ("pause:type/mail=1", "type_paused")):
            name = setting.split("=", maxsplit=1)[0]
            self.wherry("limit", "set", "eu:default", setting)
            said = self.explain(second)
            self.assertEqual((said["reason"], said["limit"]), (reason, name))
            self.assertEqual(said["holders"], [{"org": "acme", "active": 1}])
            self.wherry("limit", "remove", "eu:default", name)
            self.assertEqual(self.explain(second)["reason"], "no_slot")
        self.wherry("queue", "pause", "eu:default")
        self.assertEqual(self.explain(second)["reason"], "queue_paused")
        self.wherry("queue", "resume", "eu:default")
        self.fleet.open_gate()
        self.fleet.wait_drained()

    def test_behind_the_first_of_its_group(self):
        """What holds that one is named, with both places in the group."""
        self.worker("w", ["mail", "sms"], "--slots", "8")
        self.wherry("limit", "set", "eu:default", "active:group=5", "pause:type/sms=1")
        first, second = [self.one(t, "ORG", "acme", "GROUP", "g") for t in ("sms", "mail")]
        said = self.explain(second)
        self.assertEqual((said["reason"], said["limit"], said["held_type"]),
                         ("type_paused", "pause:type/sms", "sms"))
        self.assertEqual((said["group_at"], said["group_first"]), (2, first))
        self.assertEqual(said["sentence"],
                         "waits because type sms is paused, which holds the first job of its "
                         f"group, {first}; it is number 2 of group g, whose jobs keep their order")
        self.assertIn("number in group  2", self.wherry("job", "explain", second).splitlines())
        said = self.explain(first)
        self.assertEqual((said["group_at"], said["sentence"]),
                         (1, "waits because type sms is paused"))
        self.wherry("queue", "pause", "eu:default", "--org", "acme")
        self.assertEqual(self.explain(second)["sentence"], "waits because org acme is paused")
        self.wherry("queue", "resume", "eu:default", "--org", "acme")
        self.wherry("limit", "remove", "eu:default", "pause:type/sms")
        wait_for(lambda: self.fleet.started(second), "the second job to start")
        self.fleet.open_gate()
        self.fleet.wait_drained()

    def test_rates_and_delays(self):
        self.worker("w", ["mail"], "--slots", "8")
        for setting, reason in (("rate:queue=1/1h", "queue_rate"), ("rate:org/*=1/1h", "org_rate"),
                                ("rate:type/*=1/1h", "type_rate"),
                                ("rate:org/*/type/mail=1/1h", "org_type_rate")):
            self.wherry("limit", "set", "eu:default", setting)
            org = reason.replace("_", "-")
            first = self.one("mail", "ORG", org)
            wait_for(lambda j=first: self.fleet.started(j), "the job to start")
            said = self.explain(self.one("mail", "ORG", org))
            self.assertEqual((said["reason"], said["limit"]), (reason, setting.split("=")[0]))
            self.assertGreater(said["until_ms"], 3000000)
            self.assertIn("is at its rate limit (next in ", said["sentence"])
            self.wherry("limit", "remove", "eu:default", setting.split("=")[0])
        said = self.explain(self.one("mail", "DELAY", "3600000"))
        self.assertEqual(said["reason"], "delayed")
        self.fleet.open_gate()

    def test_a_breaker_and_a_retry(self):
        self.worker("w", ["mail", "sms"])
        self.wherry("limit", "set", "eu:default", "breaker:type/mail=50%/1/30s/1h/1")
        failed = self.fleet.enqueue_one("mail", b"retry")
        wait_for(lambda: self.fleet.job(failed).get("error_category"), "the first attempt")
        said = self.until(self.fleet.enqueue_one("mail", b"ok"), "breaker_open")
        self.assertEqual(said["limit"], "breaker:type/mail")
        self.assertGreater(said["until_ms"], 3000000)
        self.assertEqual(said["breaker"], "open")
        failed = self.fleet.enqueue_one("sms", b"retry")
        said = self.until(failed, "retry")
        self.assertRegex(said["sentence"],
                         r"^waits for its next attempt: attempt \d+ failed as \w+ \(")


    def test_a_snooze_that_holds_its_type(self):
        """What the handler said goes all the way: of the job, and of those behind it."""
        self.worker("w", ["mail"])
        self.wherry("limit", "set", "eu:default", "adaptive:type/mail=1/100/5")
        said = self.until(self.fleet.enqueue_one("mail", b"snooze 600000"), "snoozed")
        self.assertRegex(said["sentence"], r"^waits because its handler snoozed it, as rate_limited: as asked "
                                           r"\(runs in ")
        self.assertEqual((said["snoozes"], said["snooze_message"]), (1, "as asked"))
        said = self.until(self.one("mail"), "retry_after")
        self.assertGreater(said["until_ms"], 300000)
        self.assertGreater(self.stats()["paces"]["mail"]["retry_after_ms"], 300000)

    def test_a_half_open_breaker(self):
        self.worker("w", ["mail"])
        self.wherry("limit", "set", "eu:default", "breaker:type/mail=50%/1/30s/1ms/1")
        failed = self.fleet.fcall("wh1_enqueue", "mail", b"retry", "MAXATTEMPTS", "1")[0].decode()
        wait_for(lambda: self.fleet.job(failed)["status"] == "failed", "the first job to fail")
        probe = self.one("mail")
        wait_for(lambda: self.fleet.started(probe), "the probe to start")
        said = self.until(self.one("mail"), "breaker_open")
        self.assertEqual((said["breaker"], said["probes"], said.get("until_ms")),
                         ("half_open", 1, None))
        self.assertEqual(said["sentence"].split(":")[0],
                         "waits because the circuit breaker of type mail is half open and waits "
                         "for its probes to end (1 running)")
        self.fleet.open_gate()
        self.fleet.wait_drained()


class Figures(Told):
    def test_what_waits(self):
        """By state, with the quotas of queue and orgs."""
        self.worker("w", ["mail", "sms"], "--slots", "4")
        self.wherry("limit", "set", "eu:default", "active:org/full=1", "pause:type/sms=1",
                    "jobs:org/*=10", "bytes:queue=1MiB", "jobs:queue=100")
        running = self.one("mail", "ORG", "full")
        wait_for(lambda: self.fleet.started(running), "the job to start")
        for org, kind, n in (("full", "mail", 3), ("o", "sms", 5)):
            for _ in range(n):
                self.one(kind, "ORG", org)
        self.one("mail", "DELAY", "3600000", "ORG", "late")
        want = {"ready": 0, "delayed": 1, "parked": 3, "set_aside": 5, "parked_orgs": 1}
        said = wait_for(lambda: (lambda s: s if want.items() <= s["waiting"].items() else None)(
            self.stats()), f"{want}")
        self.assertEqual(said["waiting"]["types"],
                         [{"type": "sms", "jobs": 5, "orgs": 1, "reason": "type_paused",
                           "until_ms": None}])
        use = said["usage"]
        self.assertEqual((use["jobs"], use["jobs_max"], use["bytes_max"]), (9, 100, 1048576))
        self.assertEqual([(o["org"], o["jobs"], o["jobs_max"], o["percent"]) for o in use["orgs"]],
                         [("o", 5, 10, 50), ("full", 3, 10, 30), ("late", 1, 10, 10)])
        self.assertEqual((said["fleet"]["slots"], said["fleet"]["slots_used"]), (4, 1))
        self.assertEqual(said["fleet"]["backpressure"], 0.25)
        text = self.wherry("queue", "stats", "eu:default", "--orgs", "1")
        self.assertRegex(text, r"(?m)^  set aside +5$")
        self.assertRegex(text, r"(?m)^    of sms +5  type_paused; 1 org waits for it$")
        self.assertRegex(text, r"(?m)^  parked +3  1 org, 0 groups$")
        self.assertRegex(text, r"(?m)^  queue: 9 of 100 jobs \(9%\), \S+ \S+ of 1\.0 MiB \(0%\)$")
        self.assertRegex(text, r"(?m)^  org o: 5 of 10 jobs \(50%\), ")
        self.assertRegex(text, r"(?m)^  2 more orgs \(--orgs\)$")
        self.assertRegex(text, r"(?m)^  1 live; 1 of 4 slots in use$")
        self.fleet.open_gate()
        self.wherry("limit", "remove", "eu:default", "pause:type/sms")


if __name__ == "__main__":
    need("wherry")
    main()
