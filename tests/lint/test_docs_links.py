#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the documentation points at exists.

* Relative links of all *.md, with their anchors.
* Files and folders of the tree that are named anywhere in them; `worker/fetch` may stand
  for worker/fetch.c, `tests/fuzz/fuzz_*.c` must match something.
* docs/README.md leads to every page of docs/; docs/design.md's file map has every folder.
* docs/cli.md is what `wherry help --markdown` prints.
"""
import glob
import os
import re
import subprocess
import sys

from lintlib import ROOT, Report, files, line_of, read

FOLDERS = ("cmake", "common", "docker", "docs", "lua", "scheduler", "scripts", "tests", "worker")
FENCED = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\[[^\]\n]*\]\(<?([^)>\s]+)>?(?: \"[^\"]*\")?\)")
NAMED = re.compile(r"(?<![\w./<:@-])((?:\.ci|%s)/[\w./*{},-]*)" % "|".join(FOLDERS))
MAP_ROW = re.compile(r"^\| ((?:`[\w/]+`[^|`]*)+)\|", re.M)
CLI_PAGE, MAP_PAGE = "docs/cli.md", "docs/design.md"
EVERYBODY = "LICENSE", "CMakeLists.txt"


def blank(pattern, text):
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def anchors(path):
    """The anchors that a page's headings make."""
    text = blank(FENCED, read(path))
    found = set()
    for title in re.findall(r"^#+ (.*?) *#*$", text, re.M):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
        number, unique = 0, slug
        while unique in found:
            number += 1
            unique = f"{slug}-{number}"
        found.add(unique)
    return found


def check_links(report, path, text):
    prose = blank(CODE, blank(FENCED, text))
    for match in LINK.finditer(prose):
        target = match.group(1)
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        file, _, anchor = target.partition("#")
        line = line_of(text, match.start())
        there = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
        if not os.path.exists(os.path.join(ROOT, there)):
            report.add(path, line, f"the link to {target} leads nowhere: there is no {there}")
        elif anchor and there.endswith(".md") and anchor not in anchors(there):
            report.add(path, line, f"the link to {target}: {there} has no such heading")


def expand(name):
    """`a/{b,c}` as ['a/b', 'a/c']."""
    match = re.search(r"\{([^{}]*)\}", name)
    if match is None:
        return [name]
    return [e for part in match.group(1).split(",")
            for e in expand(name[:match.start()] + part + name[match.end():])]


def is_there(name):
    pattern = os.path.join(glob.escape(ROOT), name)
    return bool(glob.glob(pattern)) or (not name.endswith("/") and bool(glob.glob(pattern + ".*")))


def check_names(report, path, text):
    for match in NAMED.finditer(text):
        for name in expand(match.group(1).rstrip(".,-")):
            if not is_there(name):
                report.add(path, line_of(text, match.start()),
                           f"{name} is named here, but there is no such file or folder")


def check_index(report):
    index = read("docs/README.md")
    linked = {os.path.normpath(os.path.join("docs", t.split("#")[0]))
              for t in LINK.findall(index)}
    for path in files(".md", under=("docs/",)):
        if os.path.dirname(path) == "docs" and path != "docs/README.md" and path not in linked:
            report.add("docs/README.md", 1, f"the map of the documentation leaves out {path}")


def check_map(report):
    """Each folder of the file map exists, and each folder with sources is below one of it."""
    text = read(MAP_PAGE)
    start = text.find("## File map")
    if start < 0:
        report.add(MAP_PAGE, 1, "there is no section '## File map'")
        return
    table = text[start:].split("\n## ", 1)[0]
    mapped = set()
    for match in MAP_ROW.finditer(table):
        for folder in re.findall(r"`([\w/]+)`", match.group(1)):
            mapped.add(folder)
            if not os.path.isdir(os.path.join(ROOT, folder)):
                report.add(MAP_PAGE, line_of(text, start + match.start()),
                           f"the file map has {folder}, which is no folder")
    for folder in sorted({os.path.dirname(p) for p in files(".c", ".lua", under=(
            "common/", "worker/", "scheduler/", "lua/"))}):
        if not any(folder == m or folder.startswith(m + "/") for m in mapped):
            report.add(MAP_PAGE, line_of(text, start), f"the file map leaves out {folder}")


def check_cli_page(report):
    build = os.environ.get("WH_BUILD_DIR") or os.path.join(ROOT, "build")
    program = os.path.join(build, "bin", "wherry")
    if not os.access(program, os.X_OK):
        print(f"{program} is not built: {CLI_PAGE} is not compared")
        if os.environ.get("CI") == "true":
            report.add(CLI_PAGE, 1, "wherry is not built, so nothing can be compared")
        return
    told = subprocess.run([program, "help", "--markdown"], capture_output=True, text=True,
                          timeout=30, check=False)
    if told.returncode != 0:
        report.add(CLI_PAGE, 1, f"wherry help --markdown: {told.stderr.strip()}")
        return
    have, wanted = read(CLI_PAGE).splitlines(), told.stdout.splitlines()
    if have != wanted:
        line = next((i for i, (a, b) in enumerate(zip(have, wanted), 1) if a != b),
                    min(len(have), len(wanted)) + 1)
        report.add(CLI_PAGE, line, f"is not what the program says; run: "
                   f"wherry help --markdown > {CLI_PAGE}")


def main():
    report = Report("docs links")
    if not all(os.path.exists(os.path.join(ROOT, f)) for f in EVERYBODY):
        sys.exit(f"{ROOT} is no source tree")
    pages = files(".md")
    for path in pages:
        text = read(path)
        check_links(report, path, text)
        check_names(report, path, text)
    check_index(report)
    check_map(report)
    check_cli_page(report)
    report.finish(len(pages))


if __name__ == "__main__":
    main()
