#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No state transition in C: no Redis write command outside lua/.

Looks at the string literals of common/, worker/ and scheduler/ whose first word is
a Redis command that writes. All writes go through FCALL of a function in lua/.
"""
import re

from lintlib import Report, files, line_of, read, strip_c

WRITES = set("""
APPEND BITFIELD BITOP BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN COPY
DECR DECRBY DEL EVAL EVALSHA EXPIRE EXPIREAT FLUSHALL FLUSHDB FUNCTION GEOADD
GEOSEARCHSTORE GETDEL GETEX GETSET HDEL HINCRBY HINCRBYFLOAT HMSET HSET HSETNX INCR
INCRBY INCRBYFLOAT LINSERT LMOVE LMPOP LPOP LPUSH LPUSHX LREM LSET LTRIM MIGRATE MOVE
MSET MSETNX PERSIST PEXPIRE PEXPIREAT PFADD PFMERGE PSETEX RENAME RENAMENX RESTORE RPOP
RPOPLPUSH RPUSH RPUSHX SADD SCRIPT SDIFFSTORE SET SETBIT SETEX SETNX SETRANGE SINTERSTORE
SMOVE SPOP SREM SUNIONSTORE SWAPDB UNLINK XACK XADD XAUTOCLAIM XCLAIM XDEL XGROUP
XREADGROUP XSETID XTRIM ZADD ZDIFFSTORE ZINCRBY ZINTERSTORE ZMPOP ZPOPMAX ZPOPMIN
ZRANGESTORE ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZUNIONSTORE
""".split())

# (where, command): why it changes no state of a job.
ALLOWED = {
    ("common/store/funclib", "FUNCTION"): "FUNCTION LOAD installs the library itself",
    ("common/store/", "BLPOP"): "the bell only wakes a worker; a lost ring costs one poll",
}
# The loader also reads with FUNCTION; elsewhere C must not touch the library.
LITERAL = re.compile(r'"((?:\\.|[^"\\\n])*)"')
# Lower case is a command only next to the wire; elsewhere it is an everyday word.
WIRE = ("common/store/", "common/io/")


def command_of(literal, path):
    word = re.match(r"(?:\*\d+\\r\\n\$\d+\\r\\n)?([A-Za-z]+)(?=$|[ \\])", literal)
    if not word:
        return None
    name = word.group(1)
    if not name.isupper() and not (name.islower() and path.startswith(WIRE)
                                   and re.match(r"[a-z]+ (?:%|\w+:)", literal)):
        return None
    return name.upper() if name.upper() in WRITES else None


def main():
    report = Report("write commands")
    paths = files(".c", ".h", under=("common/", "worker/", "scheduler/"))
    for path in paths:
        text = strip_c(read(path), keep_strings=True)
        for match in LITERAL.finditer(text):
            command = command_of(match.group(1), path)
            if command and not any(path.startswith(place) and command == name
                                   for place, name in ALLOWED):
                report.add(path, line_of(text, match.start()),
                           f"Redis write command {command} in C; make it part of a function "
                           "in lua/ and FCALL that")
    report.finish(len(paths))


if __name__ == "__main__":
    main()
