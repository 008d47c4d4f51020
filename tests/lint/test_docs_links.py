#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the documentation points at exists.

* Relative links of all *.md, with their anchors.
* Files and folders of the tree that are named anywhere in them; `worker/fetch` may stand
  for worker/fetch.c, `tests/fuzz/fuzz_*.c` must match something.
* docs/README.md leads to every page of docs/; docs/design.md's file map has every folder.
* docs/cli.md is what `wherry help --markdown` prints; commands and flags that other pages
  name are there. Options and log events in docs/operations.md are words of the programs.
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
COMMAND = re.compile(r"(?:^|[`(|;&])[ \t]*(?:until |while |if )?wherry"
                     r"((?: [a-z]+){1,2})((?: [^`\n|;)]*)?)", re.M)
DAEMON = re.compile(r"(?<![\w./-])(wherry-(?:worker|scheduler))((?: [^`\n|;)]*)?)")
FLAG = re.compile(r"(?<=\s)(--[a-z][a-z-]*)")
WORD = re.compile(r"`([a-z]+\.[a-z_]+)`")
CLI_PAGE, MAP_PAGE, RUN_PAGE = "docs/cli.md", "docs/design.md", "docs/operations.md"
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
    text = LINK.sub(lambda m: m.group(0).split("](")[0] + "]", text)  # check_links has those
    missing = {(line_of(text, match.start()), name) for match in NAMED.finditer(text)
               for name in expand(match.group(1).rstrip(".,-")) if not is_there(name)}
    for line, name in sorted(missing):
        report.add(path, line, f"{name} is named here, but there is no such file or folder")


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


def program(name):
    """A built program, or None."""
    build = os.environ.get("WH_BUILD_DIR") or os.path.join(ROOT, "build")
    path = os.path.join(build, "bin", name)
    return path if os.access(path, os.X_OK) else None


def told_by(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def check_cli_page(report, told):
    have, wanted = read(CLI_PAGE).splitlines(), told.splitlines()
    if have != wanted:
        line = next((i for i, (a, b) in enumerate(zip(have, wanted), 1) if a != b),
                    min(len(have), len(wanted)) + 1)
        report.add(CLI_PAGE, line, f"is not what the program says; run: "
                   f"wherry help --markdown > {CLI_PAGE}")


def commands_of(told):
    """"noun verb" -> the section about it; "" -> what stands before all of them."""
    parts = re.split(r"^### wherry (.*)$", told, flags=re.M)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2]))}


def check_command(report, path, line, words, rest, known):
    nouns = {name.split()[0] for name in known if name}
    if words[0] not in nouns:
        report.add(path, line, f"wherry {words[0]}: there is no such command")
        return
    name = " ".join(words) if " ".join(words) in known else words[0]
    if name not in known:
        report.add(path, line, f"wherry {' '.join(words)}: there is no such command")
        return
    for flag in FLAG.findall(rest):
        if flag not in known[name] and flag not in known[""]:
            report.add(path, line, f"wherry {name} has no {flag}")


def code_of(text):
    """Text that is code: spans and blocks; all else blank, lines where they are."""
    keep = [m.span() for m in FENCED.finditer(text)]
    keep += [m.span() for m in CODE.finditer(blank(FENCED, text))]
    keep += [m.span() for m in re.finditer(r"^    .*$", text, re.M)]
    out = [c if c == "\n" else " " for c in text]
    for start, end in keep:
        out[start:end] = text[start:end]
    return "".join(out)


def check_commands(report, pages, known, helps):
    for path in pages:
        code = code_of(read(path))
        for match in COMMAND.finditer(code):
            check_command(report, path, line_of(code, match.start()), match.group(1).split(),
                          match.group(2), known)
        for match in DAEMON.finditer(code):
            for flag in FLAG.findall(match.group(2)):
                if not re.search(rf"{flag}\b", helps[match.group(1)]):
                    report.add(path, line_of(code, match.start()),
                               f"{match.group(1)} has no {flag}")


def check_words(report):
    """`redis.url`, `job.dead`: a word of an option table, or an event of the log."""
    literals = set()
    for path in files(".c", under=("common/", "worker/", "scheduler/")):
        literals.update(re.findall(r'"([a-z]+\.[a-z_]+)"', read(path)))
    text = read(RUN_PAGE)
    for match in WORD.finditer(text):
        word = match.group(1)
        if not {word, re.sub(r"_file$", "", word)} & literals and not word.endswith(".md"):
            report.add(RUN_PAGE, line_of(text, match.start()),
                       f"{word} is neither an option nor a log event of any program")


def check_programs(report, pages):
    built = {name: program(name) for name in ("wherry", "wherry-worker", "wherry-scheduler")}
    missing = [name for name, path in built.items() if path is None]
    if missing:
        print(f"not built: {', '.join(missing)}; commands and {CLI_PAGE} are not compared")
        if os.environ.get("CI") == "true":
            report.add(CLI_PAGE, 1, "the programs are not built, so nothing can be compared")
        return
    told = told_by(built["wherry"], "help", "--markdown")
    check_cli_page(report, told)
    helps = {name: told_by(built[name], "--help") for name in list(built)[1:]}
    check_commands(report, [p for p in pages if p != CLI_PAGE], commands_of(told), helps)


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
    check_words(report)
    check_programs(report, pages)
    report.finish(len(pages))


if __name__ == "__main__":
    main()
