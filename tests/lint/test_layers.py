#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom. Two tables: our layers, and where third-party headers may be."""
import os
import re

from lintlib import ROOT, Report, files, read, strip_c

BASE, JOB, IO = "common/base", "common/job", "common/io"
STORE, CLIENT, CLI = "common/store", "common/client", "common/cli"
SCHEDULE = "common/schedule"
BELOW_CLIENT = {BASE, JOB, IO, STORE}
PLUGIN = "common/client/plugin.h"  # the ABI that plug-ins and their host share

# layer -> what it may include besides itself. The longest matching folder decides.
LAYERS = {
    BASE: set(),
    JOB: {BASE},
    IO: {BASE},
    STORE: {BASE, JOB, IO},
    CLIENT: BELOW_CLIENT,
    SCHEDULE: {BASE, JOB, IO},
    CLI: BELOW_CLIENT | {CLIENT, SCHEDULE},
    "worker": BELOW_CLIENT | {"worker/executors", PLUGIN},
    "worker/executors": BELOW_CLIENT | {"worker", PLUGIN},
    "worker/executors/host": {BASE, JOB, "worker/executors", PLUGIN},
    "worker/handlers": {PLUGIN},
    "scheduler": BELOW_CLIENT | {"scheduler/api", SCHEDULE},
    "scheduler/api": BELOW_CLIENT | {"scheduler", SCHEDULE},
}
# Files that applications compile against: system headers only, and each other.
PUBLIC = {"common/client/wherry.h", PLUGIN}

# header -> where it may be included; a folder ends in "/", else the start of a file's
# path without its ending, so that conn.c may be split into conn_tls.c.
THIRD_PARTY = {
    "event2/": (IO + "/",),
    "hiredis": (IO + "/conn", STORE + "/call", "tests/"),
    "msgpack": (JOB + "/codec", "tests/"),
    "openssl/": (IO + "/", BASE + "/rng", "worker/handlers/", "scheduler/api/auth",
                 "worker/executors/push", "tests/"),
    "microhttpd.h": (IO + "/http",),
    "curl/": ("worker/executors/push", "tests/"),
    "yaml.h": (BASE + "/conf", "tests/"),
    "pcre2.h": (JOB + "/schema_pattern",),
    "jansson.h": (CLI + "/", SCHEDULE + "/", "worker/", "scheduler/", "tests/"),
    "cmocka.h": ("tests/",),
}
GENERATED = {
    "generated/version.h": ("common/", "worker/", "scheduler/", "tests/"),
    "generated/lua_bundle.h": (STORE + "/", "tests/"),
    "generated/lua_bundle_test.h": ("tests/",),
    "generated/dashboard.h": ("scheduler/", "tests/"),
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def layer_of(path):
    fitting = [layer for layer in LAYERS if path.startswith(layer + "/")]
    return max(fitting, key=len) if fitting else None


def may_include(layer, header):
    target = layer_of(header)
    return target == layer or target in LAYERS[layer] or header in LAYERS[layer]


def check_ours(report, path, line, header):
    if path in PUBLIC and header not in PUBLIC:
        report.add(path, line, f"a public header includes {header}; applications do not "
                   "have it: use system headers only")
        return
    if header in GENERATED:
        if not path.startswith(GENERATED[header]):
            report.add(path, line, f"{header} is for {', '.join(GENERATED[header])} only")
        return
    if not os.path.isfile(os.path.join(ROOT, header)):
        report.add(path, line, f'"{header}" is no file of the tree; name it from the root, '
                   'like "common/base/err.h"')
        return
    mirrored = re.match(r"tests/unit/(.+)/", path)
    layer = layer_of(mirrored.group(1) + "/") if mirrored else layer_of(path)
    if layer is None or header.startswith("tests/"):
        if not path.startswith("tests/") and header.startswith("tests/"):
            report.add(path, line, f"{header} belongs to the tests")
        return
    if not may_include(layer, header):
        allowed = ", ".join(sorted(LAYERS[layer])) or "nothing else"
        report.add(path, line, f"{layer} may not include {header}; it may include {allowed}")


def check_theirs(report, path, line, header):
    for start, places in THIRD_PARTY.items():
        if header.startswith(start) and not path.startswith(places):
            report.add(path, line, f"<{header}> may be included below {', '.join(places)} only")


def main():
    report = Report("layers")
    paths = files(".c", ".h", under=("common/", "worker/", "scheduler/", "tests/"))
    for path in paths:
        text = strip_c(read(path), keep_strings=True)
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            check = check_ours if match.group(1) == '"' else check_theirs
            check(report, path, line, match.group(2))
    report.finish(len(paths))


if __name__ == "__main__":
    main()
