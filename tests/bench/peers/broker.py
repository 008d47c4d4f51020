# SPDX-License-Identifier: Apache-2.0
"""What keeps the jobs: a private redis-server, or a peer's own server.

One broker per measurement, in a folder that the caller owns; close() ends it. Both
kinds answer sample(): CPU seconds, memory in bytes, commands and reads so far.
"""
import os
import socket
import time

from processes import Failure, cpu_of, mem_of, spawn, stop


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_accept(sock_path, port, proc, seconds=10.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if proc.poll() is not None:
            raise Failure(f"the broker ended with {proc.returncode}")
        for family, where in ((socket.AF_UNIX, sock_path),
                              (socket.AF_INET, ("127.0.0.1", port))):
            s = socket.socket(family)
            try:
                s.connect(where)
                return
            except OSError:
                pass
            finally:
                s.close()
        time.sleep(0.02)
    raise Failure("the broker did not come up")


class RedisBroker:
    def __init__(self, tmp, profile, log, tcp):
        self.sock = os.path.join(tmp, "redis.sock")
        self.port = free_port() if tcp else 0
        cmd = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
               "--unixsocket", self.sock, "--save", "", "--dir", tmp,
               "--loglevel", "warning", "--daemonize", "no"]
        if profile == "everysec":
            cmd += ["--appendonly", "yes", "--appendfsync", "everysec"]
        elif profile == "always":
            cmd += ["--appendonly", "yes", "--appendfsync", "always"]
        else:
            cmd += ["--appendonly", "no"]
        self.proc = spawn(cmd, os.environ, log, stdout=log)
        wait_accept(self.sock, self.port, self.proc)
        self.conn = socket.socket(socket.AF_UNIX)
        self.conn.connect(self.sock)
        self.file = self.conn.makefile("rb")
        self.env = {"PEERS_REDIS_SOCK": "" if tcp else self.sock,
                    "PEERS_REDIS_PORT": str(self.port)}

    def call(self, *words):
        out = [b"*%d\r\n" % len(words)]
        for w in words:
            w = str(w).encode()
            out.append(b"$%d\r\n%s\r\n" % (len(w), w))
        self.conn.sendall(b"".join(out))
        line = self.file.readline()
        if line[:1] == b"$":
            body = self.file.read(int(line[1:]) + 2)
            return body[:-2].decode()
        if line[:1] == b"-":
            raise Failure(line.decode())
        return line[1:].strip().decode()

    def info(self):
        d = {}
        for line in self.call("INFO", "everything").splitlines():
            k, _, v = line.partition(":")
            d[k] = v
        return d

    def sample(self):
        d = self.info()
        return {"cpu": float(d["used_cpu_sys"]) + float(d["used_cpu_user"]),
                "mem": int(d["used_memory"]),
                "cmds": int(d["total_commands_processed"]),
                "reads": int(d.get("total_reads_processed", 0))}

    def commands(self):
        d = {}
        for k, v in self.info().items():
            if k.startswith("cmdstat_"):
                f = dict(x.split("=") for x in v.split(","))
                d[k[8:]] = (int(f["calls"]), int(f["usec"]))
        return d

    def keys_left(self):
        return int(self.call("DBSIZE"))

    def close(self):
        self.conn.close()
        stop(self.proc)


class OwnBroker:
    """A peer that is its own server: the contender's `serve` runs it."""

    def __init__(self, contender, tmp, profile, log):
        self.sock = os.path.join(tmp, "broker.sock")
        self.port = free_port()
        self.env = {"PEERS_BROKER_SOCK": self.sock,
                    "PEERS_BROKER_PORT": str(self.port),
                    "PEERS_PROFILE": profile}
        self.proc = spawn([contender.path, "serve"],
                          {**os.environ, **self.env, "PEERS_TMP": tmp}, log,
                          stdout=log)
        wait_accept(self.sock, self.port, self.proc)

    def sample(self):
        return {"cpu": cpu_of([self.proc]), "mem": mem_of([self.proc])[0] * 1024,
                "cmds": 0, "reads": 0}

    def commands(self):
        return {}

    def keys_left(self):
        return None

    def close(self):
        stop(self.proc)
