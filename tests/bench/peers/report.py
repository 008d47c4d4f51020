# SPDX-License-Identifier: Apache-2.0
"""The text at the end of a run: a table of all peers, and ratios to one of them.

Works on the results as they stand in the JSON; measures nothing.
"""
import statistics


def num(x, digits=0):
    if x is None:
        return "-"
    return f"{x:,.{1 if digits == 0 and 0 < abs(x) < 10 else digits}f}"


def spread(t):
    med, lo, hi = t
    return num(med) if lo == hi else f"{num(med)} ({num(lo)}-{num(hi)})"


def kind(r):
    """What a row was measured under."""
    return f"{r['profile']} {r['orgs']} orgs" if "orgs" in r else r["profile"]


def table(rows):
    head = ["peer", "profile", "best of", "enqueue/s", "drain/s", "lat p50/p99/max us",
            "B/job", "redis us/job enq+drain", "worker us/job", "MiB idle/load (PSS)",
            "CPU redis/worker"]
    body = []
    for r in rows:
        if "error" in r:
            body.append([r["name"], kind(r), "FAILED: " + r["error"][:80]]
                        + [""] * (len(head) - 3))
            continue
        a, b, m = r.get("w1", {}), r.get("w2", {}), r.get("w3", {})
        bj = m.get("bytes_per_job", a.get("bytes_per_job"))
        mib = lambda k: None if k is None else k / 1024
        body.append([
            r["name"], kind(r), r.get("best", "-"),
            spread(a["enqueue_per_s"]) if a else "-",
            spread(a["drain_per_s"]) if a else "-",
            f"{num(b['p50_us'])}/{num(b['p99_us'])}/{num(b['max_us'])}" if b else "-",
            num(bj),
            f"{num(a.get('redis_enqueue_us'), 1)}+{num(a.get('redis_drain_us'), 1)}",
            num(a.get("worker_us"), 1),
            f"{num(mib(b.get('idle_pss_kib')))}/{num(mib(a.get('worker_pss_kib')))}",
            f"{num(100 * a['redis_util'])}%/{num(100 * a['worker_util'])}%"
            if "redis_util" in a else "-"])
    w = [max(len(str(x[i])) for x in [head] + body) for i in range(len(head))]
    lines = ["  ".join(str(x).ljust(w[i]) for i, x in enumerate(row)).rstrip()
             for row in [head] + body]
    lines.insert(1, "  ".join("-" * k for k in w))
    return "\n".join(lines)


def of_rounds(r, b, k):
    """The median of the rounds' own ratios: a round runs what is compared one after the
    other, so that a slow spell of the machine falls on both sides of most of them."""
    return statistics.median([x[k] / y[k] for x, y in zip(r["runs"], b["runs"])])


def against_first(rows):
    """A contender's rows (other profiles, other numbers of orgs) against its first one."""
    first = {}
    for r in rows:
        if "w1" not in r:
            continue
        b = first.setdefault(r["name"], r)
        if b is not r:
            each = [f"{k} {of_rounds(r, b, k + '_per_s'):.3g}" for k in ("enqueue", "drain")]
            us = [f"{k} {r['w1'][k] - b['w1'][k]:+.2f}" for k in
                  ("redis_enqueue_us", "redis_drain_us", "worker_us")
                  if r["w1"].get(k) is not None and b["w1"].get(k) is not None]
            yield f"{r['name']}, {kind(r)} to {kind(b)}: {', '.join(each + us)}"


def ratios(rows, name):
    """Every row against the one of this name."""
    base = [r for r in rows if r["name"] == name and "w1" in r]
    if not base:
        return ""
    out = [f"ratios to {name} (less is better from p50 on)"]
    for r in rows:
        if "w1" not in r:
            continue
        b = next((x for x in base if kind(x) == kind(r)), base[0])
        pair = lambda k: of_rounds(r, b, k)
        f = lambda g: (g(r) / g(b)) if g(r) is not None and g(b) else None
        q = [("enqueue", pair("enqueue_per_s")), ("drain", pair("drain_per_s"))] + [
            (k, f(g)) for k, g in (
                ("p50", lambda x: x.get("w2", {}).get("p50_us")),
                ("p99", lambda x: x.get("w2", {}).get("p99_us")),
                ("bytes", lambda x: x.get("w3", x["w1"]).get("bytes_per_job")),
                ("redis CPU", lambda x: (x["w1"].get("redis_enqueue_us") or 0)
                 + (x["w1"].get("redis_drain_us") or 0)),
                ("worker CPU", lambda x: x["w1"].get("worker_us")))]
        out.append(f"  {r['name']:11} {kind(r):8} " + "  ".join(
            f"{k} {'-' if v is None else format(v, '.3g')}" for k, v in q))
    return "\n".join(out)
