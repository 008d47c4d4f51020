# SPDX-License-Identifier: Apache-2.0
"""What benchmarks made of several measurements share: which of them to run, and their lines."""
import json


def chosen(parser, only, names):
    """The names in --only, with commas; a wrong one ends the program."""
    only = only.split(",")
    unknown = [name for name in only if name not in names]
    if unknown:
        parser.error(f"no measurement is called {', '.join(unknown)}; there are {', '.join(names)}")
    return only


def tell(lines):
    """Prints each line as soon as it is there; the exit status: were all of them ok?"""
    status = 0
    for line in lines:
        print(json.dumps(line), flush=True)
        status |= not line["ok"]
    return status
