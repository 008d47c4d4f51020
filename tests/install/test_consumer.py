#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installs into an empty prefix and uses the result as an application would.

A consumer that takes the address of every public function is built by pkg-config
and by find_package, shared and static, and run. The headers compile alone as C11
and as C++11, the installed programs tell their version, and completions and
systemd units are there.
"""
import os
import shutil
import tempfile

from installed import BUILD, ROOT, api, run

CONSUMER = """#include <wherry/wherry.h>
#include <stdio.h>
typedef void function(void);
static function *const all[] = {%s};
int main(void)
{
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i] == NULL) {
            return 1;
        }
    }
    return printf("%%zu functions\\n", sizeof all / sizeof all[0]) > 0 ? 0 : 1;
}
"""
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C)
find_package(wherry %s REQUIRED)
add_executable(with_shared consumer.c)
target_link_libraries(with_shared PRIVATE Wherry::wherry)
add_executable(with_static consumer.c)
target_link_libraries(with_static PRIVATE Wherry::wherry_static)
"""


def library_folder(prefix):
    for folder, _, names in os.walk(prefix):
        if "libwherry.so" in names:
            return folder
    raise SystemExit("libwherry.so was not installed")


def expect_linked(program, shared):
    needed = run("readelf", "--dynamic", program)
    if ("libwherry.so.1" in needed) != shared:
        raise SystemExit(f"{program} is {'not ' if shared else ''}linked with libwherry.so.1")


def by_pkg_config(work, prefix, libraries):
    environment = dict(os.environ, PKG_CONFIG_PATH=os.path.join(libraries, "pkgconfig"))
    for shared in (True, False):
        flags = run("pkg-config", "--cflags", "--libs", *([] if shared else ["--static"]),
                    "wherry", env=environment).split()
        if not shared:
            flags = ["-l:libwherry.a" if flag == "-lwherry" else flag for flag in flags]
        program = os.path.join(work, f"pkg_config_{shared}")
        run("cc", "-std=c11", os.path.join(work, "consumer.c"), "-o", program,
            f"-Wl,-rpath,{libraries}", *flags)
        expect_linked(program, shared)
        print("pkg-config", "shared" if shared else "static", run(program).strip())
    told = run("pkg-config", "--variable=includedir", "wherry", env=environment).strip()
    if os.path.realpath(told) != os.path.join(prefix, "include"):
        raise SystemExit(f"wherry.pc says includedir={told}")


def by_find_package(work, prefix, version):
    source, build = os.path.join(work, "project"), os.path.join(work, "project-build")
    os.mkdir(source)
    shutil.copy(os.path.join(work, "consumer.c"), source)
    with open(os.path.join(source, "CMakeLists.txt"), "w", encoding="utf-8") as file:
        file.write(PROJECT % version)
    run("cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", build)
    for name, shared in (("with_shared", True), ("with_static", False)):
        program = os.path.join(build, name)
        expect_linked(program, shared)
        print("find_package", "shared" if shared else "static", run(program).strip())


def headers_alone(work, prefix):
    include = os.path.join(prefix, "include")
    for name in sorted(os.listdir(os.path.join(include, "wherry"))):
        for compiler, standard, ending in (("cc", "c11", "c"), ("c++", "c++11", "cc")):
            source = os.path.join(work, f"alone.{ending}")
            with open(source, "w", encoding="utf-8") as file:
                file.write(f"#include <wherry/{name}>\nint main(void);\n")
            run(compiler, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                "-fsyntax-only", "-I", include, source)
        print("alone:", name)


def programs_run(prefix, version):
    folder = os.path.join(prefix, "bin")
    for name in ("wherry", "wherry-worker", "wherry-scheduler"):
        told = run(os.path.join(folder, name), "--version")
        if version not in told:
            raise SystemExit(f"{name} --version says {told!r}, not {version}")
        print(told.strip())
    if not os.access(os.path.join(folder, "wherry-executor"), os.X_OK):
        raise SystemExit("wherry-executor was not installed")


def beside_the_programs(prefix, programs):
    """programs: where they were installed to, which the units name."""
    share = os.path.join(prefix, "share")
    for path in ("bash-completion/completions/wherry", "zsh/site-functions/_wherry",
                 "fish/vendor_completions.d/wherry.fish"):
        with open(os.path.join(share, path), encoding="utf-8") as file:
            if "enqueue" not in file.read():
                raise SystemExit(f"{path} does not complete")
    run("bash", "-n", os.path.join(share, "bash-completion/completions/wherry"))
    for name in ("wherry-worker", "wherry-scheduler"):
        with open(os.path.join(prefix, "lib/systemd/system", f"{name}.service"), encoding="utf-8") as file:
            text = file.read()
        if f"\nExecStart={programs}/{name}" not in text or "@" in text:
            raise SystemExit(f"{name}.service does not start {programs}/{name}:\n{text}")
        print(f"{name}.service")


def main():
    names = api()
    with open(os.path.join(ROOT, "CMakeLists.txt"), encoding="utf-8") as file:
        version = file.read().split("project(wherry VERSION ")[1].split()[0]
    with tempfile.TemporaryDirectory() as work:
        work = os.path.realpath(work)
        prefix = os.path.join(work, "prefix")
        run("cmake", "--install", BUILD, "--prefix", prefix)
        # The tree must work wherever it is moved to after it was installed.
        moved = os.path.join(work, "moved")
        os.rename(prefix, moved)
        libraries = library_folder(moved)
        with open(os.path.join(work, "consumer.c"), "w", encoding="utf-8") as file:
            file.write(CONSUMER % ", ".join(f"(function *){name}" for name in names))
        by_pkg_config(work, moved, libraries)
        by_find_package(work, moved, version)
        headers_alone(work, moved)
        programs_run(moved, version)
        beside_the_programs(moved, os.path.join(prefix, "bin"))


if __name__ == "__main__":
    main()
