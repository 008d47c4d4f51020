# SPDX-License-Identifier: Apache-2.0
"""The command line of run.sh."""
import argparse
import sys


class Options(argparse.Namespace):
    def say(self, text):
        """Progress, on stderr."""
        if not self.silent:
            print(text, file=sys.stderr, flush=True)

    def as_json(self):
        return {k: sorted(v) if isinstance(v, set) else v for k, v in vars(self).items()}


def parse(about):
    ap = argparse.ArgumentParser(prog="run.sh", description=about)
    ap.add_argument("peer", nargs="*", help="names under contenders/, or paths; "
                    "all when none is given")
    ap.add_argument("--quick", action="store_true", help="about 2 minutes in all")
    ap.add_argument("--out", help="write the results here as JSON")
    ap.add_argument("--profile", default="none",
                    help="none, everysec, always, or several with commas; the "
                    "later ones repeat W1 and W2 with the first one's best variant")
    ap.add_argument("--orgs", help="jobs of W1 and W2 are in so many orgs, or in several numbers "
                    "of them with commas, as with --profile; for contenders that know PEERS_ORGS")
    ap.add_argument("--only", default="w1,w2,w3", help="workloads, of w1 to w5")
    ap.add_argument("--reps", type=int, help="repeats of W1 (3; quick 1)")
    ap.add_argument("--no-choose", action="store_true",
                    help="take each contender's first variant, as --quick does")
    ap.add_argument("--jobs", type=int, help="jobs of W1 for every contender")
    ap.add_argument("--latency", type=int, help="jobs of W2")
    ap.add_argument("--gap", type=int, default=2000, help="us between W2's jobs")
    ap.add_argument("--mem", type=int, help="pending jobs of W3")
    ap.add_argument("--producers", type=int, default=1)
    ap.add_argument("--backlogs", default="10000,100000,1000000", help="of W4")
    ap.add_argument("--take", type=int, help="jobs drained of each W4 backlog")
    ap.add_argument("--w4-seconds", type=float, default=120,
                    help="skip a backlog that takes longer to enqueue")
    ap.add_argument("--tcp", action="store_true",
                    help="Redis over loopback TCP, not a unix socket")
    ap.add_argument("--base", default="", help="print ratios against this one")
    ap.add_argument("--tmp", help="folder for the brokers' files")
    ap.add_argument("--keep", action="store_true", help="keep those files")
    ap.add_argument("--silent", action="store_true")
    args = ap.parse_args(namespace=Options())
    args.profiles = args.profile.split(",")
    args.orgs = [int(x) for x in args.orgs.split(",")] if args.orgs else [0]
    args.only = set(args.only.split(","))
    args.backlogs = [int(x) for x in args.backlogs.split(",")]
    args.reps = args.reps or (1 if args.quick else 3)
    return args
