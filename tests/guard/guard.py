# SPDX-License-Identifier: Apache-2.0
"""What the guards share: the table of figures, the comparison, what is skipped and why.

A guard measures figures per job that no busy machine blurs and holds each against its
line of figures.txt. A figure of instructions holds for one version of Redis or one
compiler: without a line for those at hand the guard is skipped and says so. It is skipped
also where its tool does not work; with CI=true a tool that is not installed is a failure.
"""
import argparse
import os
import platform
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", folder) for folder in ("bench", "fault")]
from fleet import BUILD, need  # noqa: E402

TABLE = os.path.join(HERE, "figures.txt")
SKIPPED = 77
LINE = re.compile(r"(\S+) +(\S+) +([\d.,]+) +(\d+) %(.*)")
MEANT = ("Is the change meant and worth it? Then say so in the commit and run {program} --update,"
         " which writes what it measures into tests/guard/figures.txt. Else find what costs it:"
         " cmake --build <build folder> --target profile.")


class Skip(Exception):
    """Why this cannot be measured here."""


def tool(name, *try_it):
    """Ends the guard where the tool is missing; raises Skip where it does not work."""
    if shutil.which(name) is None:
        print(f"{name} is not installed: apt-get install {name} (scripts/setup --tests does)")
        sys.exit(1 if os.environ.get("CI") == "true" else SKIPPED)
    done = subprocess.run([name, *try_it], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Skip(f"{name} does not work here: {(done.stderr or done.stdout).strip()[-300:]}")


def need_valgrind():
    tool("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "true")


def need_strace():
    tool("strace", "-D", "-f", "-c", "-o", "/dev/null", "true")


def on_redis():
    """The key of figures that depend on Redis."""
    text = subprocess.run(["redis-server", "--version"], capture_output=True, text=True,
                          check=True).stdout
    return f"redis-{re.search(r'v=([0-9.]+)', text)[1]}/{platform.machine()}"


def on_compiler():
    """The key of figures that depend on what made our programs."""
    with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as file:
        cache = file.read()
    compiler = re.search(r"^CMAKE_C_COMPILER:\w+=(.*)$", cache, re.M)[1]
    version = subprocess.run([compiler, "-dumpfullversion", "-dumpversion"], capture_output=True,
                             text=True, check=True).stdout.split(".")[0]
    name = "clang" if "clang" in compiler else "gcc"
    return f"{name}-{version}/{platform.machine()}"


def read_table():
    """(figure, key) -> (value, tolerance in %)."""
    found = {}
    with open(TABLE, encoding="utf-8") as file:
        for line in file:
            match = LINE.match(line)
            if match:
                name, key, value, tolerance, _ = match.groups()
                found[name, key] = float(value.replace(",", "")), int(tolerance)
    return found


def show(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.4f}"


def write_table(figures):
    """Puts measured values into their lines; a key that is new gets lines of its own."""
    with open(TABLE, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for (name, key), value in figures.items():
        ours = [i for i, line in enumerate(lines) if line.split()[:1] == [name]]
        if not ours:
            raise SystemExit(f"{TABLE} has no line for {name}: write one, with its tolerance")
        same = [i for i in ours if lines[i].split()[1] == key]
        tolerance, rest = LINE.match(lines[ours[-1]]).groups()[3:]
        text = f"{name:38} {key:22} {show(value):>9} {tolerance:>3} %{rest}"
        if same:
            lines[same[0]] = text
        else:
            lines.insert(ours[-1] + 1, text)
    with open(TABLE, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def compare(figures, program):
    """The exit status; says each figure, and of those over their bound what to do."""
    table, status = read_table(), 0
    strange = sorted({key for name, key in figures if (name, key) not in table})
    for (name, key), value in figures.items():
        if (name, key) not in table:
            continue
        want, tolerance = table[name, key]
        verdict = "ok"
        if value > want * (1 + tolerance / 100):
            verdict, status = f"OVER the bound of {show(want)} + {tolerance} %", 1
        elif value < want * (1 - tolerance / 100):
            verdict = f"lower than {show(want)} - {tolerance} %: {program} --update keeps the gain"
        print(f"{name:38} {show(value):>9}  {verdict}")
    if status:
        print(MEANT.format(program=program))
    elif strange:
        print(f"skipped: no figures for {', '.join(strange)}; {program} --update writes some")
        return SKIPPED
    return status


def spread(measure, runs):
    """For choosing tolerances: the least and the most of each figure."""
    seen = {}
    for _ in range(runs):
        for where, value in measure().items():
            seen.setdefault(where, []).append(value)
    for (name, key), values in seen.items():
        middle = sorted(values)[len(values) // 2]
        print(f"{name:38} {key:22} {show(middle):>9}  {(min(values) / middle - 1) * 100:+.1f} to "
              f"{(max(values) / middle - 1) * 100:+.1f} %")


def main(measure, doc):
    """measure() -> {(figure, key): value}."""
    text = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=doc, formatter_class=text)
    parser.add_argument("--update", action="store_true", help="write figures.txt anew")
    parser.add_argument("--runs", type=int, help="only show how much the figures move in so many")
    args = parser.parse_args()
    need("wherry-worker")
    program = os.path.relpath(os.path.realpath(sys.argv[0]))
    try:
        if args.runs:
            spread(measure, args.runs)
            sys.exit(0)
        figures = measure()
    except Skip as why:
        print(f"skipped: {why}")
        sys.exit(SKIPPED)
    if args.update:
        write_table(figures)
    sys.exit(compare(figures, program))
