# SPDX-License-Identifier: Apache-2.0
"""What benchmarks share: which measurements to run, their lines, and the table of a single one."""
import argparse
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


def parser(name, text):
    return argparse.ArgumentParser(prog=name, description=text,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)


def arguments(of):
    """Of a benchmark with one line, which it shows as a table unless --json is given."""
    of.add_argument("--json", action="store_true", help="one line of JSON, no table")
    return of.parse_args()


def tell_one(args, line, table):
    """Prints the line, or what table(line) yields; the exit status: is it ok?"""
    print(json.dumps(line) if args.json else "\n".join(table(line)))
    return 0 if line["ok"] else 1
