# SPDX-License-Identifier: Apache-2.0
"""The no-op exec handler of the side-by-side benchmark: keeps the tally that
tests/bench/peers/README.md asks for, as lib/celery_app.py does.
"""
import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "docs", "examples", "python"),
                os.path.join(HERE, "peers", "lib")]
import peers_common  # noqa: E402
from wherry_handler import run  # noqa: E402


def handle(job):
    tally, payload = peers_common.tally(), job.json()
    tally.start(payload)
    tally.done(payload)


run(handle, concurrency=int(os.environ.get("PEERS_AT_ONCE", "64")))
