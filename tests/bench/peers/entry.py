# SPDX-License-Identifier: Apache-2.0
"""One contender under one durability profile with one number of orgs: its workloads in
order, its result.

`out` is what stands in the JSON and in the table. A contender's first entry chooses the
variant (contender.best); the others repeat W1 and W2 with it.
"""
import statistics

import drain
import latency
import waiting
from report import kind, num
from rig import Rig

MEDIANS = ("redis_enqueue_us", "redis_drain_us", "worker_us", "bytes_per_job",
           "redis_util", "worker_util", "machine_util", "worker_rss_kib",
           "worker_pss_kib", "start_s", "drain_cmds", "drain_reads", "enqueue_cmds",
           "enqueue_reads", "steady_per_s")
NEAR = 0.75         # a variant that drains that much of the best one's is tried again


class Entry:
    def __init__(self, c, profile, orgs, args, noise):
        self.c, self.profile, self.orgs, self.args, self.noise = c, profile, orgs, args, noise
        self.first = (profile, orgs) == (args.profiles[0], args.orgs[0])
        self.only = args.only - set(c.info.get("skip", []))
        self.n = args.jobs or c.info["jobs"]["quick" if args.quick else "full"]
        self.out = {"name": c.name, "version": c.info["version"], "profile": profile,
                    **({"orgs": orgs} if orgs else {}),
                    "enqueue": c.info.get("enqueue", ""),
                    "delivery": c.info.get("delivery"),
                    "tenants": c.info.get("tenants"), "best": self.best["name"],
                    "variants": [], "runs": [], "w4": [], "w5": []}

    @property
    def best(self):
        return self.c.best or self.c.info["variants"][0]

    def say(self, text):
        self.args.say(f"{self.c.name:11} {kind(self.out):8} {text}")

    def rig(self):
        return Rig(self.c, self.profile, self.orgs, self.args)

    def drain(self, v, n, **options):
        noise = self.noise.measure()
        with self.rig() as rig:
            return {**drain.run(rig, v, n, **options), **noise}

    def one_w1(self, tag, v, n):
        r = self.drain(v, n)
        self.say(f"{tag} {v['name']:36} enqueue {r['enqueue_per_s']:9.0f}/s  "
                 f"drain {r['drain_per_s']:9.0f}/s")
        return {"variant": v["name"], **r}

    def choose(self):
        """The variant that drains best, at the quick size."""
        args, tries = self.args, self.c.info["variants"]
        if ("w1" not in self.only or args.quick or args.no_choose or not self.first
                or len(tries) < 2):
            return
        n = args.jobs or self.c.info["jobs"]["quick"]
        rate = [0.0] * len(tries)
        for again in (False, True):     # again only those that came near
            for j, v in enumerate(tries):
                if not again or rate[j] >= NEAR * max(rate):
                    self.out["variants"].append(self.one_w1("choose", v, n))
                    rate[j] = max(rate[j], self.out["variants"][-1]["drain_per_s"])
        self.c.best = tries[rate.index(max(rate))]

    def round(self, k):
        self.out["best"] = self.best["name"]
        if "w1" in self.only:
            self.out["runs"].append(self.one_w1(f"W1 {k + 1}", self.best, self.n))

    def sum_up(self):
        runs = self.out["runs"]
        if not runs:
            return
        three = lambda k: [f([x[k] for x in runs]) for f in (statistics.median, min, max)]
        med = {k: statistics.median([x[k] for x in runs if x.get(k) is not None])
               for k in MEDIANS if any(x.get(k) is not None for x in runs)}
        self.out["w1"] = {"jobs": self.n, "enqueue_per_s": three("enqueue_per_s"),
                          "drain_per_s": three("drain_per_s"), **med}

    def rest(self):
        if "w2" in self.only:
            self.wait_for_one()
        if not self.first:
            return
        if "w3" in self.only:
            self.fill()
        if "w4" in self.only:
            self.scale()
        if "w5" in self.only:
            self.crowd()

    def wait_for_one(self):
        v = self.c.info.get("latency_variant") or self.best
        n = self.args.latency or (500 if self.args.quick else 2000)
        with self.rig() as rig:
            r = latency.run(rig, v, n, self.args.gap)
        self.out["w2"] = {"variant": v["name"], **r}
        self.say(f"W2 p50 {r['p50_us']:.0f} us  p99 {r['p99_us']:.0f} us  max "
                 f"{r['max_us']:.0f} us")

    def fill(self):
        """In a quick run W1's figure stands in for it."""
        m = self.args.mem or (0 if self.args.quick else self.c.info.get("mem_jobs", 100000))
        if m:
            with self.rig() as rig:
                self.out["w3"] = waiting.run(rig, m)
            self.say(f"W3 {m} pending: {self.out['w3']['bytes_per_job']:.0f} bytes/job")

    def scale(self):
        rate = self.out.get("w1", {}).get("enqueue_per_s", [0])[0]
        for b in self.args.backlogs:
            if rate and b / rate > self.args.w4_seconds:
                self.out["w4"].append(
                    {"backlog": b, "skipped": f"about {b / rate:.0f} s to enqueue"})
                self.say(f"W4 backlog {b}: skipped, about {b / rate:.0f} s to enqueue")
                continue
            take = min(b, self.args.take or max(self.n, 10000))
            r = self.drain(self.best, b, take=take if take < b else None)
            rate = r["enqueue_per_s"]
            self.out["w4"].append({"backlog": b, "taken": take, **{
                k: r.get(k) for k in ("enqueue_per_s", "drain_per_s", "steady_per_s",
                                      "redis_enqueue_us", "redis_drain_us", "worker_us",
                                      "bytes_per_job", "redis_util")}})
            self.say(f"W4 backlog {b:8d}: enqueue {r['enqueue_per_s']:.0f}/s  drain "
                     f"{r['drain_per_s']:.0f}/s (first {take})  redis "
                     f"{num(r.get('redis_drain_us'), 1)} us/job")

    def crowd(self):
        noisy = self.n * 9 // 10
        for v in [self.best] + ([self.c.info["w5"]] if self.c.info.get("w5") else []):
            r = self.drain(v, self.n, extra={"PEERS_NOISY": str(noisy)})
            at = r.get("quiet_done_at")
            self.out["w5"].append({"variant": v["name"], "jobs": self.n, "noisy": noisy,
                                   "drain_per_s": r["drain_per_s"], "quiet_done_at": at})
            self.say(f"W5 {v['name']:36} quiet tenants done at "
                     f"{num(None if at is None else 100 * at)} % of the drain, "
                     f"{r['drain_per_s']:.0f}/s")
