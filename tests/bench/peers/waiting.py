# SPDX-License-Identifier: Apache-2.0
"""W3: the memory that waiting jobs take."""


def run(rig, n):
    a = rig.broker.sample()
    secs = rig.enqueue(n)
    b = rig.broker.sample()
    return {"jobs": n, "bytes_per_job": (b["mem"] - a["mem"]) / n,
            "enqueue_per_s": n / secs}
