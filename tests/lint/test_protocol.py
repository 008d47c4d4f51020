#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/protocol.md, lua/ and the C tables name the same functions, flags and error words.

The functions are those of the real library, loaded into a private Redis.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import time

from lintlib import ROOT, SKIPPED, Report, files, line_of, need, read, strip_c

DOC, CALL = "docs/protocol.md", "common/store/call.c"
FLAGS = {"ro": "no-writes", "oom": "allow-oom"}
START_S = 20


def documented_functions(text):
    """name -> (line, set of Redis flags), from the headings `### wh1_x (ro), wh1_y`."""
    found = {}
    for heading in re.finditer(r"^### .*$", text, re.M):
        for name, words in re.findall(r"\b(wh1_\w+)(?: \(([^)]*)\))?", heading.group(0)):
            flags = {FLAGS[word] for word in re.findall(r"\w+", words) if word in FLAGS}
            found[name] = (line_of(text, heading.start()), flags)
    return found


def ask(socket, *arguments, stdin=None):
    return subprocess.run(["redis-cli", "-s", socket, *arguments], input=stdin,
                          capture_output=True, text=True, check=False)


def start_redis(folder):
    socket = os.path.join(folder, "s")
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder],
        stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + START_S
    while ask(socket, "PING").stdout.strip() != "PONG":
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            sys.exit("redis-server did not start")
        time.sleep(0.02)
    return server, socket


def loaded_functions(folder):
    """name -> set of Redis flags, as Redis tells them after FUNCTION LOAD."""
    subprocess.run(
        ["cmake", f"-DLUA_DIR={ROOT}/lua", f"-DOUT_DIR={folder}", "-DNAME=wherry_1",
         "-DSYMBOL=lua_bundle", "-DTEST=OFF", "-P", f"{ROOT}/cmake/assemble_lua.cmake"],
        check=True)
    with open(os.path.join(folder, "wherry_1.lua"), encoding="utf-8") as file:
        library = file.read()
    server, socket = start_redis(folder)
    try:
        told = ask(socket, "-x", "FUNCTION", "LOAD", stdin=library)
        if told.stdout.strip() != "wherry_1":
            sys.exit(f"lua/: Redis refuses the library: {told.stdout}{told.stderr}")
        libraries = json.loads(ask(socket, "--json", "FUNCTION", "LIST").stdout)
    finally:
        server.terminate()
        server.wait()
    return {f["name"]: set(f["flags"]) for f in libraries[0]["functions"]}


def check_functions(report, doc, loaded):
    documented = documented_functions(doc)
    for name, (line, flags) in sorted(documented.items()):
        if name not in loaded:
            report.add(DOC, line, f"{name} is documented, but the library has no such function")
        elif flags != loaded[name]:
            report.add(DOC, line, f"{name} is documented with the flags {sorted(flags)}, "
                       f"but registered with {sorted(loaded[name])}")
    for name in sorted(set(loaded) - set(documented)):
        report.add(DOC, 1, f"the library has {name}; give it a heading '### {name}'")
    for path in files(".c", under=("common/", "worker/", "scheduler/")):
        text = strip_c(read(path), keep_strings=True)
        for match in re.finditer(r'"(wh1_\w+)', text):
            if match.group(1) not in documented:
                report.add(path, line_of(text, match.start()),
                           f"calls {match.group(1)}, which {DOC} does not have")


def check_words(report, doc):
    documented = set(re.findall(r"^\| `(WH[A-Z]+)` \|", doc, re.M))
    raised = set()
    for path in files(".lua", under=("lua/",)):
        for number, line in enumerate(read(path).splitlines(), 1):
            for word in re.findall(r"\bWH[A-Z]{2,}\b", line.split("--")[0]):
                raised.add(word)
                if word not in documented:
                    report.add(path, number, f"{word} is not in the table of {DOC}")
    for word in sorted(documented - raised):
        report.add(DOC, 1, f"{word} is documented, but no function in lua/ answers it")
    if os.path.isfile(os.path.join(ROOT, CALL)):
        known = set(re.findall(r'"(WH[A-Z]{2,})"', strip_c(read(CALL), keep_strings=True)))
        for word in sorted(known ^ documented):
            where = f"only in {DOC}" if word in documented else f"not in {DOC}"
            report.add(CALL, 1, f"{word} is {where}; the table of words must be the same")


def main():
    if not os.path.isfile(os.path.join(ROOT, "lua/manifest.txt")):
        print("there is no lua/manifest.txt")
        sys.exit(SKIPPED)
    need("redis-server", "redis-server")
    report = Report("protocol")
    doc = read(DOC)
    with tempfile.TemporaryDirectory() as folder:
        check_functions(report, doc, loaded_functions(folder))
    check_words(report, doc)
    report.finish(len(files(".lua", under=("lua/",))) + 1)


if __name__ == "__main__":
    main()
