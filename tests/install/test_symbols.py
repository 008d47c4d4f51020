#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""libwherry.so exports exactly the functions that wherry.h declares with WH_API."""
import os
import sys

from installed import BUILD, api, run


def main():
    declared = set(api())
    library = os.path.join(BUILD, "lib", "libwherry.so")
    listed = run("nm", "--dynamic", "--defined-only", "--format=posix", library)
    exported = {line.split()[0].split("@")[0] for line in listed.splitlines() if line.strip()}
    for name in sorted(exported - declared):
        print(f"libwherry.so: exports {name}, which wherry.h does not declare; "
              "only WH_API functions may leave the library")
    for name in sorted(declared - exported):
        print(f"common/client/wherry.h: declares {name}, which libwherry.so does not export")
    dynamic = run("readelf", "--dynamic", library)
    if "[libwherry.so.1]" not in dynamic:
        print("libwherry.so: its SONAME is not libwherry.so.1")
        sys.exit(1)
    sys.exit(1 if exported != declared else 0)


if __name__ == "__main__":
    main()
