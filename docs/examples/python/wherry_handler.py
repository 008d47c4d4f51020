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
import json
import os
import sys
import threading
import traceback

HEADER_MAX, RESULT_MAX, MESSAGE_MAX, CONTEXT_MAX = 16384, 65536, 1024, 4096
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


class Job:
    """id, attempt, fence, type, org, queue, region, deadline_ms, max_attempts, traceparent,
    entity_type, entity_id as attributes (None when absent); payload as bytes."""

    def __init__(self, header, payload, send):
        self.header, self.payload, self._send = header, payload, send
        self.cancelled = threading.Event()  # set: stop soon, the result hardly matters
        self.cancel_reason = None

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


class _Loop:
    def __init__(self, handler, concurrency, fd_in, fd_out):
        self.handler, self.concurrency = handler, concurrency
        self.input, self.fd_out = os.fdopen(fd_in, "rb"), fd_out
        self.write_lock, self.lock = threading.Lock(), threading.Lock()
        self.jobs, self.stopping = {}, False
        for fd in (fd_in, fd_out):  # programs a handler starts must not hold them open
            os.set_inheritable(fd, False)

    def send(self, header, body=b""):
        if body:
            header["body_len"] = len(body)
        line = json.dumps(header, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        if len(line) > HEADER_MAX:  # escapes made it long
            header.pop("context", None)
            line = json.dumps(header).encode() + b"\n"
        frame = memoryview(line + body)
        with self.write_lock:
            while frame:
                frame = frame[os.write(self.fd_out, frame):]

    def read(self):
        """The next header and body; None at the end."""
        line = self.input.readline(HEADER_MAX)
        if not line:
            return None
        if not line.endswith(b"\n"):
            raise ValueError("a header without end, or over 16 KiB")
        header = json.loads(line)  # ValueError
        if not isinstance(header, dict):
            raise ValueError("a header is not a JSON object")
        length = header.get("body_len", 0)
        if type(length) is not int or length < 0:
            raise ValueError("body_len is not a number of bytes")
        body = self.input.read(length)
        if len(body) != length:
            raise ValueError("the input ended inside a body")
        return header, body

    def outcome(self, job):
        """(result header, body) of one job."""
        try:
            value = self.handler(job)
            if not isinstance(value, (bytes, bytearray)):
                value = b"" if value is None else \
                    (value if isinstance(value, str) else json.dumps(value)).encode()
            if len(value) > RESULT_MAX:
                raise Fail(f"result of {len(value)} bytes, limit {RESULT_MAX}", "oversize")
            return {"status": "ok"}, bytes(value)
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
        self.send({"op": "result", "id": job.id, **result}, body)
        with self.lock:
            self.jobs.pop(job.id, None)
            is_last = self.stopping and not self.jobs
        if is_last:
            self.leave(0)

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
            with self.lock:
                self.jobs[job.id] = job
            threading.Thread(target=self.run_job, args=(job,), daemon=True).start()
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
        for frame in iter(loop.read, None):
            loop.on_frame(*frame)
    except (ValueError, OSError) as error:
        print(f"wherry_handler: {error}", file=sys.stderr)
        loop.leave(EX_PROTOCOL)
    loop.leave(0)  # the worker is gone; its jobs will run elsewhere
