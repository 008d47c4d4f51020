# SPDX-License-Identifier: Apache-2.0
"""A contender: an executable that answers `info` (README.md, "Adding a contender")."""
import json
import os
import subprocess

from processes import Failure

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "contenders")
ORDER = ["bullmq", "bee-queue", "groupmq", "sidekiq", "rq", "celery",
         "beanstalkd", "gearman"]


def available():
    """Names of the peers that can run here."""
    return [x for x in ORDER if os.access(os.path.join(FOLDER, x), os.X_OK)]


class Contender:
    def __init__(self, spec):
        self.path = spec if "/" in spec else os.path.join(FOLDER, spec)
        self.path = os.path.abspath(self.path)
        if not os.access(self.path, os.X_OK):
            raise Failure(f"{spec}: not an executable")
        r = subprocess.run([self.path, "info"], capture_output=True, text=True,
                           timeout=60)
        if r.returncode:
            raise Failure(f"{spec}: info failed: {r.stderr.strip()[-300:]}")
        self.info = json.loads(r.stdout.strip().splitlines()[-1])
        self.name = self.info["name"]
        self.best = None    # the variant that was chosen
