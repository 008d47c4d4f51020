# SPDX-License-Identifier: Apache-2.0
"""What benchmarks share: which measurements to run, and how figures are told: with --json as
one line of JSON, without it as a table, or line by line where a measurement takes minutes."""
import argparse
import json


def chosen(parser, only, names):
    """The names in --only, with commas; a wrong one ends the program."""
    only = only.split(",")
    unknown = [name for name in only if name not in names]
    if unknown:
        parser.error(f"no measurement is called {', '.join(unknown)}; there are {', '.join(names)}")
    return only


def tell(args, name, lines):
    """Prints each line as soon as it is there, or with --json all of them as one; the exit
    status: were all of them ok?"""
    told = []
    for line in lines:
        told.append(line)
        if not args.json:
            print(json.dumps(line), flush=True)
    is_ok = all(line.get("ok", True) for line in told)
    if args.json:
        print(json.dumps({"bench": name, "measures": told, "ok": is_ok}))
    return 0 if is_ok else 1


def parser(name, text):
    return argparse.ArgumentParser(prog=name, description=text,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)


def arguments(of, words=None):
    """The command line; without --json the figures are for people."""
    of.add_argument("--json", action="store_true", help="one line of JSON, nothing else")
    return of.parse_args(words)


def tell_one(args, line, table):
    """Prints the line, or what table(line) yields; the exit status: is it ok?"""
    print(json.dumps(line) if args.json else "\n".join(table(line)))
    return 0 if line["ok"] else 1
