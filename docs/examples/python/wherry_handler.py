# SPDX-License-Identifier: Apache-2.0
"""Wherry exec handlers in Python: copy this file beside your code, no packages needed.

    from wherry_handler import run
    def handle(job):
        job.progress(50, "half way")
        return {"seen": job.json()}      # bytes, str, or anything JSON can say
    run(handle, concurrency=4)

The protocol (FLP/1) stands in docs/handlers.md. print() is safe: stdout and stderr
are the worker's log, frames travel on fds 3 and 4. Jobs run in threads.
"""
import collections
import json
import os
import select
import sys
import threading
import traceback

HEADER_MAX, RESULT_MAX, MESSAGE_MAX, CONTEXT_MAX = 16384, 65536, 1024, 4096
READ_SIZE, BODY_SIZE, HELD_MAX, HOLD_MS = 65536, 1 << 20, 64, 20
EX_PROTOCOL = 76


class Fail(Exception):
    """Failed for good: the job goes to the dead-letter queue."""

    def __init__(self, message="", category="invalid", context=None):
        super().__init__(message)
        self.category, self.context = category, context


class Retry(Exception):
    """Failed; runs again later if its category and attempts allow."""

    def __init__(self, message="", category="error", delay_ms=None, context=None):
        super().__init__(message)
        self.category, self.delay_ms, self.context = category, delay_ms, context


class Snooze(Exception):
    """Not now: runs again after delay_ms, no attempt used."""

    def __init__(self, delay_ms, message="", category=""):
        super().__init__(message)
        self.category, self.delay_ms = category, delay_ms


def _cut(text, limit):
    return str(text).encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


_events_lock = threading.Lock()
_encode = json.JSONEncoder(ensure_ascii=False).encode
_quote = json.encoder.encode_basestring_ascii
_OK = {"status": "ok"}


class Job:
    """id, attempt, fence, type, org, queue, region, deadline_ms, max_attempts, traceparent,
    entity_type, entity_id as attributes (None when absent); payload as bytes."""

    def __init__(self, header, payload, send):
        self.header, self.payload, self._send = header, payload, send
        self.id, self.cancel_reason, self._cancelled = header["id"], None, None

    @property
    def cancelled(self):
        """An event. Set: stop soon, the result hardly matters."""
        with _events_lock:  # most jobs never ask
            self._cancelled = self._cancelled or threading.Event()
        return self._cancelled

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return self.header.get(name)

    def json(self):
        return json.loads(self.payload)

    def progress(self, percent, message=""):
        self._send({"op": "progress", "id": self.header["id"],
                    "percent": max(0, min(100, int(percent))), "message": _cut(message, 256)})

    def busy(self, for_ms):  # the worker claims nothing for so long; 0: it may again
        self._send({"op": "busy", "for_ms": int(for_ms)})

    def log(self, level, message):
        self._send({"op": "log", "id": self.header["id"], "level": level,
                    "message": _cut(message, MESSAGE_MAX)})


class _Input:
    """Frames of one fd. wait(): called before each read that may block."""

    def __init__(self, fd, wait):
        self.fd, self.wait, self.data, self.at = fd, wait, b"", 0

    def _more(self):
        self.wait()
        piece = os.read(self.fd, READ_SIZE)
        self.data, self.at = self.data[self.at:] + piece, 0
        return bool(piece)

    def _header(self):
        """A line; None at the end."""
        while True:
            end = self.data.find(b"\n", self.at, self.at + HEADER_MAX)
            if end >= 0:
                line, self.at = self.data[self.at:end], end + 1
                return line
            if len(self.data) - self.at >= HEADER_MAX or not self._more():
                if self.at == len(self.data):
                    return None
                raise ValueError("a header without end, or over 16 KiB")

    def _body(self, length):
        parts = [self.data[self.at:self.at + length]]
        self.at += len(parts[0])
        left = length - len(parts[0])
        while left > 0:
            self.wait()
            parts.append(os.read(self.fd, min(left, BODY_SIZE)))
            if not parts[-1]:
                raise ValueError("the input ended inside a body")
            left -= len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def frame(self):
        """The next header and body; None at the end."""
        line = self._header()
        if line is None:
            return None
        header = json.loads(line)  # ValueError
        if not isinstance(header, dict):
            raise ValueError("a header is not a JSON object")
        length = header.get("body_len", 0)
        if type(length) is not int or length < 0:
            raise ValueError("body_len is not a number of bytes")
        return header, self._body(length) if length else b""


class _Output:
    """Results of jobs with others behind them go out together: held back for HOLD_MS at most,
    and only while the reading thread watches over that."""

    def __init__(self, fd):
        self.fd, self.lock, self.held = fd, threading.Lock(), []
        self.is_watched = self.is_busy = False

    def send(self, frame, may_wait=False):
        with self.lock:
            self.is_busy = True
            self.held.append(frame)
            if not may_wait or not self.is_watched or len(self.held) >= HELD_MAX:
                self._flush()

    def flush(self):
        with self.lock:
            self._flush()

    def _flush(self):
        frames, self.held = memoryview(b"".join(self.held)), []
        while frames:
            frames = frames[os.write(self.fd, frames):]

    def watch(self):
        """Sends what is held. False: nothing came or went since the last time, so nothing is
        held back until this is called again."""
        with self.lock:
            self._flush()
            self.is_watched, self.is_busy = self.is_busy, False
            return self.is_watched


class _Loop:
    def __init__(self, handler, concurrency, fd_in, fd_out):
        self.handler, self.concurrency = handler, concurrency
        self.input, self.output = _Input(fd_in, self.wait), _Output(fd_out)
        self.poll = select.poll()
        self.poll.register(fd_in, select.POLLIN)
        self.lock = threading.Lock()  # of all that follows
        self.queue, self.idle, self.threads, self.is_called = collections.deque(), [], 0, False
        self.jobs, self.stopping = {}, False
        for fd in (fd_in, fd_out):  # programs a handler starts must not hold them open
            os.set_inheritable(fd, False)

    def wait(self):
        while self.output.watch() and not self.poll.poll(HOLD_MS):
            pass

    def send(self, header, body=b"", may_wait=False):
        if body:
            header["body_len"] = len(body)
        line = _encode(header).encode("utf-8", "replace") + b"\n"
        if len(line) > HEADER_MAX:  # escapes made it long
            header.pop("context", None)
            line = json.dumps(header).encode() + b"\n"
        self.output.send(line + body, may_wait)

    def outcome(self, job):
        """(result header, body) of one job."""
        try:
            value = self.handler(job)
            if not isinstance(value, (bytes, bytearray)):
                value = b"" if value is None else \
                    (value if isinstance(value, str) else json.dumps(value)).encode()
            if len(value) > RESULT_MAX:
                raise Fail(f"result of {len(value)} bytes, limit {RESULT_MAX}", "oversize")
            return _OK, bytes(value)
        except Snooze as e:
            return {"status": "snooze", "delay_ms": int(e.delay_ms),
                    "category": e.category, "message": _cut(e, MESSAGE_MAX)}, b""
        except (Fail, Retry) as e:
            result = {"status": "fail" if isinstance(e, Fail) else "retry",
                      "category": e.category, "message": _cut(e, MESSAGE_MAX)}
            if getattr(e, "delay_ms", None) is not None:
                result["delay_ms"] = int(e.delay_ms)
            if e.context is not None:
                result["context"] = _cut(e.context, CONTEXT_MAX)
            return result, b""
        except BaseException as e:  # also SystemExit: one job must not end the others
            return {"status": "retry", "category": type(e).__name__,
                    "message": _cut(e, MESSAGE_MAX) or type(e).__name__,
                    "context": _cut(traceback.format_exc()[-CONTEXT_MAX:], CONTEXT_MAX)}, b""

    def run_job(self, job):
        result, body = self.outcome(job)
        if result is _OK:
            length = ',"body_len":%d' % len(body) if body else ""
            line = '{"op":"result","id":%s,"status":"ok"%s}\n' % (_quote(job.id), length)
            self.output.send(line.encode() + body, bool(self.queue))
        else:
            self.send({"op": "result", "id": job.id, **result}, body, bool(self.queue))
        with self.lock:
            self.jobs.pop(job.id, None)
            is_last = self.stopping and not self.jobs
        if is_last:
            self.output.flush()  # others may have held theirs back
            self.leave(0)

    def call(self):
        """With the lock: one more thread for the jobs that wait, one at a time. It calls the
        next one, so jobs that block get a thread each and short ones share one."""
        if self.is_called or not self.queue:
            return
        if self.idle:
            self.is_called = True
            self.idle.pop().release()
        elif self.threads < self.concurrency:
            self.is_called = True
            self.threads += 1
            threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        gate = threading.Lock()
        gate.acquire()
        comes = True
        while True:
            with self.lock:
                self.is_called = self.is_called and not comes
                job = self.queue.popleft() if self.queue else None
                if job:
                    self.call()
                else:
                    self.idle.append(gate)
            comes = not job
            if job:
                self.run_job(job)
            else:
                gate.acquire()

    @staticmethod
    def leave(status):
        """From any thread: the main one may be waiting in a read."""
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    def on_frame(self, header, body):
        op = header.get("op")
        if op == "hello":
            self.send({"op": "ready", "version": 1, "concurrency": self.concurrency})
        elif op == "ping":
            self.send({"op": "pong"})
        elif op == "job":
            if not isinstance(header.get("id"), str):
                raise ValueError("a job without id")
            job = Job(header, body, self.send)
            self.output.is_busy = True
            with self.lock:
                self.jobs[job.id] = job
                self.queue.append(job)
                self.call()
        elif op == "cancel":
            with self.lock:
                job = self.jobs.get(header.get("id"))
            if job:
                job.cancel_reason = header.get("reason")
                job.cancelled.set()
        elif op == "shutdown":
            with self.lock:
                self.stopping = True
                is_idle = not self.jobs
            if is_idle:
                self.leave(0)
        # Anything else is of a newer worker and not for us.


def run(handler, concurrency=1, fd_in=3, fd_out=4):
    """Serves jobs until the worker says shutdown or is gone. Does not return."""
    loop = _Loop(handler, concurrency, fd_in, fd_out)
    try:
        for frame in iter(loop.input.frame, None):
            loop.on_frame(*frame)
    except (ValueError, OSError) as error:
        print(f"wherry_handler: {error}", file=sys.stderr)
        loop.leave(EX_PROTOCOL)
    loop.leave(0)  # the worker is gone; its jobs will run elsewhere
