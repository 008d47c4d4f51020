# SPDX-License-Identifier: Apache-2.0
"""A client for Redis in a page: RESP2, replies as bytes, int, None, list; no packages.

Errors come as RedisError (raised for one command, returned inside a pipeline), a
broken connection as OSError. Nothing is retried here: the tests decide what a lost
reply means.
"""
import socket


class RedisError(Exception):
    """An error reply; .word is its first word (OOM, WHBADARG, BUSY …)."""

    @property
    def word(self):
        return str(self).split(" ", 1)[0]


def encode(args):
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        raw = arg if isinstance(arg, bytes) else str(arg).encode()
        out += [b"$%d\r\n" % len(raw), raw, b"\r\n"]
    return b"".join(out)


class Client:
    def __init__(self, path, timeout_s=20):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout_s)
        self.buffer = b""
        try:
            self.sock.connect(path)
        except OSError:
            self.sock.close()
            raise

    def close(self):
        self.sock.close()

    def _line(self):
        while b"\r\n" not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def _more(self):
        piece = self.sock.recv(1 << 18)
        if not piece:
            raise ConnectionError("Redis closed the connection")
        self.buffer += piece

    def _bulk(self, size):
        parts, have = [self.buffer], len(self.buffer)
        while have < size + 2:
            piece = self.sock.recv(1 << 18)
            if not piece:
                raise ConnectionError("Redis closed the connection")
            parts.append(piece)
            have += len(piece)
        whole = b"".join(parts)
        self.buffer = whole[size + 2:]
        return whole[:size]

    def _reply(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._bulk(int(rest))
        if kind == b"*":
            return None if rest == b"-1" else [self._reply() for _ in range(int(rest))]
        raise ConnectionError(f"no reply of Redis: {line[:40]!r}")

    def pipeline(self, commands):
        """All replies, error replies among them as values."""
        self.sock.sendall(b"".join(encode(c) for c in commands))
        return [self._reply() for _ in commands]

    def __call__(self, *args):
        reply = self.pipeline([args])[0]
        if isinstance(reply, RedisError):
            raise reply
        return reply


def table(flat):
    """Flat name, value, … as a dict with text keys."""
    return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}


# ---- the two-part head of a job (docs/protocol.md section 3), for wh1_enqueue_batch

def _text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    if len(raw) < 32:
        return bytes([0xA0 | len(raw)]) + raw
    return b"\xd9" + bytes([len(raw)]) + raw


def _number(value):
    if value is None:
        return b"\xc0"
    if value < 128:
        return bytes([value])
    return b"\xcf" + value.to_bytes(8, "big")


def head(kind, org="default", priority=5, **options):
    """priority: None for the type's or the queue's; options: the short names of the head's
    map (ma, to, dl, xp, k, kt …)."""
    out = bytes([0x94 if options else 0x93]) + _text(kind) + _text(org) + _number(priority)
    if options:
        out += bytes([0x80 | len(options)])
        for name, value in options.items():
            out += _text(name) + (_number(value) if isinstance(value, int) else _text(value))
    return out
