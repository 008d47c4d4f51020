# SPDX-License-Identifier: Apache-2.0
"""Redis, scheduler and worker as real processes in a temporary folder, whose handlers sleep
and stamp when they ran (plugins/sleep_handler.c). Everything ends with the `with` block.
"""
import os
import subprocess
import time

from private import Private, need_built
from fleet import BIN, BUILD, PARTITION
from resp import table
import stamps

QUEUE = PARTITION.removeprefix("wh:{").removesuffix("}")
HANDLER = os.path.join(BUILD, "lib", "wherry", "bench-plugins", "sleep_handler.so")


class Programs(Private):
    def __init__(self):
        need_built(HANDLER)
        super().__init__()
        self.stamps = os.path.join(self.fleet.folder, "stamps")
        os.mkdir(self.stamps)

    def start_worker(self, slots, processes=0):
        """processes: of handlers, at most; 0: as many as slots."""
        return self.fleet.start_worker(
            "worker", {"*": {"run": "native:" + HANDLER, "processes": processes}},
            "--slots", str(slots), "--log-level", "warn",
            env={"BENCH_STAMPS": self.stamps, "WHERRY_ALSO_ANY": "false"}, ready=False)

    def wherry(self, *words):
        """The command line, as an operator uses it at run time."""
        subprocess.run([os.path.join(BIN, "wherry"), *words, "--redis", self.fleet.url, "--quiet"],
                       check=True, stdout=subprocess.DEVNULL, timeout=60)

    @staticmethod
    def clock_ahead():
        """What Redis' clock, this machine's own, is ahead of the stamps', in seconds."""
        return time.time() - time.monotonic()

    def claims(self):
        """Stamps of all completed jobs from claim to finish, by Redis' clock (whole ms) put on
        ours. Needs keep_claims() before the start."""
        ahead = self.clock_ahead()
        found, cursor = [], b"-"
        while cursor:
            cursor, *records = self.fleet.fcall("wh1_jobs", "completed", cursor, 1000)
            for record in map(table, records):
                found.append(stamps.Stamp(
                    int(record["started_at_ms"]) / 1000 - ahead,
                    int(record["finished_at_ms"]) / 1000 - ahead,
                    *(record[name].decode() for name in ("org", "type", "id"))))
        return sorted(found)

    def keep_claims(self):
        self.fleet.configure(keep_count=1000000)
