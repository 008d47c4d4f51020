#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""/metrics, /livez and /readyz of a worker and a scheduler that did a thousand jobs.

promtool finds nothing to say; the figures add up among each other and with wh1_stats;
docs/operations.md lists exactly the names, types and labels that are there.
"""
import os
import re
import shutil
import signal
import subprocess
import unittest

from docs import BUILD, DocsTest, need, page, wait_for

HANDLERS = os.path.join(BUILD, "lib", "wherry", "handlers")
SLOTS = 4
FINE, MISSING, NOBODY = 900, 60, 40  # jobs: completed, no such file, no handler
REGION_WORKER = {
    "region_worker_processed_total": "counter",
    "region_worker_errors_total": "counter",
    "region_worker_error_rate": "gauge",
    "region_worker_concurrency": "gauge",
    "region_worker_in_flight": "gauge",
    "region_worker_backpressure": "gauge",
    "region_worker_job_started_total": "counter",
    "region_worker_job_completed_total": "counter",
    "region_worker_job_failed_total": "counter",
}
SERIES = re.compile(r'^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$')
LABEL = re.compile(r'(\w+)="((?:\\.|[^"\\])*)"')
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|([^|]*)\| ([^|]+) \|$", re.M)


class Scrape:
    """types: family -> type; values: (name, labels as a sorted tuple) -> number."""

    def __init__(self, text):
        self.text, self.types, self.values = text, {}, {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                name, kind = line.split()[2:]
                self.types[name] = kind
            elif not line.startswith("#"):
                match = SERIES.match(line)
                if match is None:
                    raise AssertionError(f"no line of the text format: {line!r}")
                labels = tuple(sorted(LABEL.findall(match["labels"] or "")))
                if (match["name"], labels) in self.values:
                    raise AssertionError(f"twice: {line!r}")
                self.values[match["name"], labels] = float(match["value"])

    def sum(self, wanted, **labels):
        return sum(value for (name, have), value in self.values.items()
                   if name == wanted and set(labels.items()) <= set(have))

    def labels_of(self, family):
        """Label names of a family's series (None: it has none yet)."""
        ours = {family, *(family + s for s in ("_bucket", "_sum", "_count")
                          if self.types[family] == "histogram")}
        found = {frozenset(n for n, _ in have) - {"le"}
                 for (name, have) in self.values if name in ours}
        if len(found) > 1:
            raise AssertionError(f"{family}: series with different labels: {found}")
        return found.pop() if found else None


def scrape(process):
    status, text = process.http("/metrics")
    if status != 200:
        raise AssertionError(f"/metrics of {process.name}: {status}")
    return Scrape(text)


def documented(heading):
    """name -> (type, labels, may be absent) of the table below a heading of the page."""
    text = page("docs/operations.md")
    place = re.search(rf"^### {heading}$", text, re.M)
    if place is None:
        raise AssertionError(f"docs/operations.md has no heading {heading!r}")
    table = text[place.end():].split("\n#", 1)[0]
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels)), "absent until" in meaning)
            for name, kind, labels, meaning in ROW.findall(table)}


class Metrics(DocsTest):
    def setUp(self):
        super().setUp()
        self.fleet.load_library()
        self.scheduler = self.fleet.start_scheduler("scheduler", "--gauges-interval", "100ms")
        wait_for(lambda: scrape(self.scheduler).sum("wherry_scheduler_partitions") == 1,
                 "the scheduler to serve the partition")
        wait_for(lambda: scrape(self.scheduler).sum("wherry_queue_jobs") == 0 and
                 ("wherry_queue_paused", (("queue", "default"), ("region", "eu")))
                 in scrape(self.scheduler).values, "the first figures")

    def start_worker(self, *more):
        """With the leases of real life: on a busy machine none may be lost here."""
        config = self.fleet.worker_config({
            "noop": f"native:{HANDLERS}/noop.so", "hash.file": f"native:{HANDLERS}/hash_file.so"})
        worker = self.fleet.start("wherry-worker", "w", "-c", config, "--region", "eu",
                                  "--slots", str(SLOTS), *more)
        wait_for(lambda: self.fleet.is_ready(worker), "the worker to be ready")
        self.worker = worker

    def run_jobs(self):
        self.fleet.enqueue(FINE, "noop", b"x" * 100)
        self.fleet.enqueue(MISSING, "hash.file", b'{"path":"/there/is/no/such/file"}')
        self.fleet.enqueue(NOBODY, "nobody", ma=1)
        self.fleet.wait_drained()

    def check_promtool(self, text):
        if shutil.which("promtool") is None:
            self.assertNotEqual(os.environ.get("CI"), "true", "promtool is not installed")
            print("promtool is not installed (Debian package prometheus): its check is left out")
            return
        done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                              capture_output=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def check_documented(self, scraped, heading):
        table = documented(heading)
        table = {n: row for n, row in table.items() if n in scraped.types or not row[2]}
        self.assertEqual(sorted(table), sorted(scraped.types), heading)
        for name, (kind, labels, _) in table.items():
            self.assertEqual(kind, scraped.types[name], name)
            have = scraped.labels_of(name)
            if have is not None:
                self.assertEqual(labels, have, name)

    def check_worker(self, m):
        ours = {k: v for k, v in m.types.items() if k.startswith("region_worker_")}
        self.assertEqual(ours, REGION_WORKER)
        failed = MISSING + NOBODY
        expected = {"processed_total": FINE + failed, "errors_total": failed,
                    "job_completed_total": FINE, "job_failed_total": failed,
                    "in_flight": 0, "backpressure": 0, "concurrency": SLOTS}
        self.assertEqual({n: m.sum("region_worker_" + n) for n in expected}, expected)
        self.assertEqual(m.sum("region_worker_job_completed_total", type="noop"), FINE)
        self.assertEqual(m.sum("region_worker_job_failed_total", type="hash.file"), MISSING)
        # What nobody handles may or may not count as handed to a handler.
        self.assertIn(m.sum("region_worker_job_started_total"),
                      (FINE + MISSING, FINE + failed))
        for reason in ("slots", "memory", "busy", "redis"):
            self.assertEqual(m.sum("wherry_worker_backpressure_reason", reason=reason), 0, reason)
        rate = m.sum("region_worker_error_rate")
        self.assertTrue(0 < rate < 1, rate)
        self.assertEqual(m.sum("wherry_job_run_seconds_count", type="noop"), FINE)
        self.assertEqual(m.sum("wherry_redis_up"), 1)
        for name in ("wherry_fenced_total", "wherry_leases_lost_total",
                     "wherry_executor_crashes_total", "wherry_redis_errors_total"):
            self.assertEqual(m.sum(name), 0, name)

    def test_figures(self):
        self.start_worker()
        self.run_jobs()
        done = float(FINE + MISSING + NOBODY)
        wait_for(lambda: scrape(self.worker).sum("region_worker_processed_total") >= done,
                 "the worker to have counted")
        worker = scrape(self.worker)
        self.check_worker(worker)
        wait_for(lambda: scrape(self.scheduler).sum("wherry_jobs_total", event="completed")
                 + scrape(self.scheduler).sum("wherry_jobs_total", event="dead") >= done,
                 "the scheduler to have counted")
        scheduler = scrape(self.scheduler)
        self.check_scheduler(scheduler)
        for scraped, heading in ((worker, "Worker metrics"), (scheduler, "Scheduler metrics")):
            self.check_promtool(scraped.text)
            self.check_documented(scraped, heading)

    def check_scheduler(self, m):
        stats = self.fleet.stats()
        self.assertEqual((stats["completed"], stats["dead"]), (FINE, MISSING + NOBODY))
        self.assertEqual(m.sum("wherry_dlq_entries", region="eu", queue="default"),
                         MISSING + NOBODY)
        for event in ("enqueued", "claimed", "completed", "fenced", "recovered"):
            self.assertEqual(m.sum("wherry_jobs_total", event=event), stats[event], event)
        for state in ("pending", "scheduled", "in_progress"):
            self.assertEqual(m.sum("wherry_queue_jobs", state=state), 0, state)
        self.assertEqual(m.sum("wherry_workers", region="eu"), 1)
        self.assertEqual(m.sum("wherry_queue_paused"), 0)
        self.assertEqual(m.sum("wherry_data_loss_suspected_total"), 0)
        self.assertGreater(m.sum("wherry_scheduler_chores_total"), 0)

    def ready(self, process, status):
        wait_for(lambda: process.http("/readyz")[0] == status,
                 f"/readyz of {process.name} to be {status}")

    def test_probes_without_redis(self):
        self.start_worker("--redis-timeout", "1s")
        for process in (self.worker, self.scheduler):
            self.ready(process, 200)
        self.fleet.redis_process.send(signal.SIGSTOP)
        try:
            for process in (self.worker, self.scheduler):
                self.ready(process, 503)
                self.assertEqual(process.http("/livez")[0], 200, process.name)
                status, why = process.http("/readyz")
                self.assertEqual(status, 503)
                self.assertRegex(why, r"\w{3}", "it does not say why")
                self.assertEqual(process.http("/metrics")[0], 200)
            wait_for(lambda: scrape(self.worker).sum("wherry_redis_up") == 0,
                     "the worker's metrics to say so")
            held = scrape(self.worker)
            self.assertEqual(held.sum("wherry_worker_backpressure_reason", reason="redis"), 1)
            self.assertEqual(held.sum("region_worker_backpressure"), 1)
        finally:
            self.fleet.redis_process.send(signal.SIGCONT)
        for process in (self.worker, self.scheduler):
            self.ready(process, 200)
        wait_for(lambda: scrape(self.worker).sum("wherry_redis_up") == 1, "redis_up")

    def test_other_paths(self):
        self.start_worker()
        for process in (self.worker, self.scheduler):
            self.assertEqual(process.http("/")[0], 404)
            self.assertEqual(process.http("/livez")[0], 200)


if __name__ == "__main__":
    need("wherry-worker", "wherry-scheduler", "wherry-executor")
    unittest.main(verbosity=2)
