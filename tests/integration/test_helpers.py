#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays the worker for the exec helpers of docs/examples (FLP/1, docs/handlers.md).

Each helper runs a small handler over real fds 3 and 4, pipes and sockets: results of
all kinds, two jobs at once, cancel, ping, shutdown, malformed frames, frames in pieces.
"""
import fcntl
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.environ.get("WH_SOURCE_DIR") or os.path.realpath(
    os.path.join(os.path.dirname(__file__), "..", ".."))
EXAMPLES = os.path.join(ROOT, "docs", "examples")
DEADLINE_S = 30
EX_PROTOCOL = 76

# One handler per language, the same behaviour; the job's type says what it does.
PYTHON = """
import os, sys
sys.path.insert(0, %r)
from wherry_handler import Fail, Retry, Snooze, run
def handle(job):
    print("noise\\n{}")
    print("noise", file=sys.stderr)
    if job.type == "echo": return job.payload
    if job.type == "fields":
        return "%%s %%s %%s %%s" %% (job.attempt, job.fence, job.org, job.entity_id)
    if job.type == "fail": raise Fail('no "way"', category="not_found")
    if job.type == "retry": raise Retry("later", category="rate_limited", delay_ms=1500)
    if job.type == "snooze": raise Snooze(5000, "not now")
    if job.type == "limited": raise Snooze(7000, "later", category="rate_limited")
    if job.type == "busy": return job.busy(2500)
    if job.type == "error": raise ValueError("bad")
    if job.type == "big": return b"x" * 65537
    if job.type == "report":
        job.progress(40, "half")
        job.log("warn", 'a "quoted" line')
        return
    if job.type == "wait":
        job.cancelled.wait()
        raise Fail("stopped: " + str(job.cancel_reason))
run(handle, concurrency=int(os.environ.get("AT_ONCE", 2)))
"""
NODE = """
const { run, Fail, Retry, Snooze } = require(%r);
run(async (job) => {
  console.log('noise\\n{}');
  console.error('noise');
  switch (job.type) {
    case 'echo': return job.payload;
    case 'fields': return `${job.attempt} ${job.fence} ${job.org} ${job.entity_id}`;
    case 'fail': throw new Fail('no "way"', { category: 'not_found' });
    case 'retry': throw new Retry('later', { category: 'rate_limited', delayMs: 1500 });
    case 'snooze': throw new Snooze(5000, 'not now');
    case 'limited': throw new Snooze(7000, 'later', { category: 'rate_limited' });
    case 'busy': return job.busy(2500);
    case 'error': JSON.parse('{'); break;
    case 'big': return 'x'.repeat(65537);
    case 'report':
      job.progress(40, 'half');
      job.log('warn', 'a "quoted" line');
      return undefined;
    case 'wait':
      await new Promise((done) => job.signal.addEventListener('abort', done));
      throw new Fail(`stopped: ${job.signal.reason}`);
  }
}, { concurrency: Number(process.env.AT_ONCE || 2) });
"""
SHELL = """
. %r
handle() {
    echo noise >&2
    case $WHERRY_TYPE in
    echo) cat ;;
    fields) printf '%%s %%s %%s %%s' "$WHERRY_ATTEMPT" "$WHERRY_FENCE" "$WHERRY_ORG" "$WHERRY_ENTITY_ID" ;;
    fail) wherry_fail not_found 'no "way"' ;;
    retry) wherry_retry 1500 later rate_limited ;;
    snooze) wherry_snooze 5000 "not now" ;;
    limited) wherry_snooze 7000 later rate_limited ;;
    busy) wherry_busy 2500 ;;
    error) echo bad >&2; exit 65 ;;
    big) head -c 65537 /dev/zero ;;
    report) wherry_progress 40 half; wherry_log warn 'a "quoted" line' ;;
    wait) sleep 1000 ;;
    esac
}
wherry_run handle "${AT_ONCE:-2}"
"""
MANY = 30  # at once, of check_blocked
LANGUAGES = {
    "python": ("python3", ".py", PYTHON, "python", "example_handler.py"),
    "node": ("node", ".js", NODE, "node/wherry-handler.js", "example-handler.js"),
    "shell": ("bash", ".sh", SHELL, "shell/wherry-handler.sh", "example-handler.sh"),
}


class Child:
    """A handler process with the worker's ends of its two channels."""

    def __init__(self, argv, use_sockets=False):
        if use_sockets:
            mine, theirs = socket.socketpair()
            self.socket = mine
            self.to, self.come = os.dup(mine.fileno()), os.dup(mine.fileno())
            child_in, child_out = os.dup(theirs.fileno()), theirs.detach()
        else:
            self.socket = None
            child_in, self.to = os.pipe()
            self.come, child_out = os.pipe()
        # Away from 3 and 4, so that the redirections cannot hit one another.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in (child_in, child_out)]
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{high[0]} 4>&{high[1]} {high[0]}<&- {high[1]}>&-',
             "bash", *argv],
            pass_fds=high, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        for fd in (child_in, child_out, *high):
            os.close(fd)
        self.data = b""

    def raw(self, data):
        while data:
            data = data[os.write(self.to, data):]

    def send(self, body=b"", **header):
        if body:
            header["body_len"] = len(body)
        self.raw(json.dumps(header).encode() + b"\n" + body)

    def job(self, job_id, kind, body=b"", **more):
        self.send(body, op="job", id=job_id, attempt=1, fence=7, type=kind, org="acme",
                  queue="q", region="eu", deadline_ms=60000, max_attempts=5, **more)

    def _fill(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.come], [], [], left)[0]:
            raise AssertionError(f"nothing within {DEADLINE_S} s; so far {self.data[:200]!r}")
        data = os.read(self.come, 65536)
        if not data:
            raise AssertionError(f"the child closed its channel; so far {self.data[:200]!r}")
        self.data += data

    def receive(self):
        deadline = time.monotonic() + DEADLINE_S
        while b"\n" not in self.data:
            self._fill(deadline)
        line, _, self.data = self.data.partition(b"\n")
        assert len(line) < 16384, "header over 16 KiB"
        header = json.loads(line)
        length = header.get("body_len", 0)
        while len(self.data) < length:
            self._fill(deadline)
        header["body"], self.data = self.data[:length], self.data[length:]
        return header

    def expect(self, **fields):
        got = self.receive()
        for name, value in fields.items():
            assert got.get(name) == value, f"{name} is {got.get(name)!r}, not {value!r}: {got}"
        return got

    def hello(self):
        self.send(op="hello", version=1, worker="w", type="*")
        return self.expect(op="ready", version=1)

    def close_input(self):
        if self.to is not None:
            if self.socket and self.process.poll() is None:
                self.socket.shutdown(socket.SHUT_WR)
            os.close(self.to)
            self.to = None

    def exit_status(self):
        return self.process.wait(timeout=DEADLINE_S)

    def free(self):
        self.close_input()
        try:
            self.exit_status()  # at the end of its input
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.come)
        if self.socket:
            self.socket.close()


def check_results(child):
    child.hello()
    everything = bytes(range(256)) * 200 + b"\n{}\n"
    for index, body in enumerate((b"", b"\0", everything)):
        child.job(f"e{index}", "echo", body)
        child.expect(op="result", id=f"e{index}", status="ok", body=body)
    child.job("f", "fields", entity_id='a "b" \\ c')
    child.expect(op="result", id="f", status="ok", body=b'1 7 acme a "b" \\ c')
    child.job("1", "fail")
    child.expect(op="result", id="1", status="fail", category="not_found", message='no "way"')
    child.job("2", "retry")
    child.expect(id="2", status="retry", category="rate_limited", message="later", delay_ms=1500)
    child.job("3", "snooze")
    child.expect(id="3", status="snooze", delay_ms=5000, message="not now")
    child.job("3a", "limited")
    child.expect(id="3a", status="snooze", delay_ms=7000, category="rate_limited")
    child.job("3b", "busy")
    child.expect(op="busy", for_ms=2500)
    child.expect(op="result", id="3b", status="ok", body=b"")
    child.job("4", "error")
    got = child.expect(id="4", status="retry")
    assert got["category"] in ("ValueError", "SyntaxError", "invalid"), got
    assert got["message"], got
    child.job("5", "big")
    child.expect(id="5", status="fail", category="oversize", body=b"")
    child.job("6", "report")
    child.expect(op="progress", id="6", percent=40, message="half")
    child.expect(op="log", id="6", level="warn", message='a "quoted" line')
    child.expect(op="result", id="6", status="ok", body=b"")


def check_two_at_once(child):
    assert child.hello()["concurrency"] == 2
    child.job("w", "wait")
    child.job("e", "echo", b"x")
    child.send(op="ping")
    got = {child.receive()["op"], child.receive()["op"]}
    assert got == {"result", "pong"}, got
    child.send(op="cancel", id="nobody", reason="requested")
    child.send(op="cancel", id="w", reason="requested")
    got = child.expect(op="result", id="w")
    assert got["status"] != "ok", got
    child.job("e2", "echo", b"y")
    child.expect(op="result", id="e2", status="ok", body=b"y")


def check_blocked(start):
    """Many jobs come in one piece; those that block hold back nobody's result."""
    os.environ["AT_ONCE"] = str(MANY)
    try:
        child = start()
    finally:
        del os.environ["AT_ONCE"]
    try:
        assert child.hello()["concurrency"] == MANY
        to, (child.to, pieces) = child.to, os.pipe()[::-1]
        for n in range(MANY):
            child.job(f"j{n}", "wait" if n % 7 == 3 else "echo", b"j%d" % n)
        os.close(child.to)
        child.to = to
        with os.fdopen(pieces, "rb") as file:
            child.raw(file.read())
        waits = {f"j{n}" for n in range(MANY) if n % 7 == 3}
        echoes = {f"j{n}" for n in range(MANY)} - waits
        for _ in range(len(echoes)):
            got = child.expect(op="result", status="ok")
            echoes.remove(got["id"])
            assert got["body"] == got["id"].encode(), got
        for job in waits:
            child.send(op="cancel", id=job, reason="requested")
        while waits:
            waits.remove(child.expect(op="result")["id"])
        child.send(op="shutdown", grace_ms=60000)
        assert child.exit_status() == 0
    finally:
        child.free()


def check_shutdown(child):
    child.hello()
    child.job("w", "wait")
    child.send(op="shutdown", grace_ms=60000)
    child.send(op="ping")
    child.expect(op="pong")
    assert child.process.poll() is None, "left although a job runs"
    child.send(op="cancel", id="w", reason="stopping")
    child.expect(op="result", id="w")
    assert child.exit_status() == 0


def check_shutdown_idle(child):
    child.hello()
    child.send(op="shutdown", grace_ms=1000)
    assert child.exit_status() == 0


def check_end_of_input(child):
    child.hello()
    child.job("w", "wait")
    child.send(op="ping")
    child.expect(op="pong")
    child.close_input()
    assert child.exit_status() == 0


def check_pieces(child):
    hello = b'{"op":"hello","version":1}\n{"op":"a_word_to_come","body_len":3}\nabc'
    job = b'{"op":"job","id":"p","attempt":1,"fence":1,"type":"echo","org":"o","body_len":5}\n'
    for byte in hello + job + b"a\nb\0c":
        child.raw(bytes([byte]))
    child.expect(op="ready", version=1)
    child.expect(op="result", id="p", status="ok", body=b"a\nb\0c")
    child.raw(b'{"op":"ping"}\n' * 3)
    for _ in range(3):
        child.expect(op="pong")


MALFORMED = {
    "no JSON": b"hello\n",
    "no object": b"[1]\n",
    "empty line": b"\n",
    "negative body_len": b'{"op":"ping","body_len":-1}\n',
    "body_len as text": b'{"op":"ping","body_len":"x"}\n',
    "header too long": b'{"op":"' + b"x" * 16400 + b'"}\n',
}
CUT_OFF = {
    "in a header": b'{"op":"pi',
    "in a body": b'{"op":"job","id":"c","type":"echo","body_len":10}\nabc',
}


def check_malformed(start):
    for what, data in (*MALFORMED.items(), *CUT_OFF.items()):
        child = start()
        try:
            child.hello()
            try:
                child.raw(data)
            except BrokenPipeError:
                pass  # it has left already
            if what in CUT_OFF:
                child.close_input()
            status = child.exit_status()
            assert status == EX_PROTOCOL, f"{what}: exit status {status}"
        finally:
            child.free()


def check_killed(start, folder):
    """What one leaves behind that had no chance to clean up, the next one takes away."""
    for _ in range(2):
        child = start()
        child.hello()
        child.process.kill()
        child.free()
    child = start()
    try:
        child.hello()
        left = [name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name))]
        assert len(left) <= 1, f"folders of several handlers: {left}"
    finally:
        child.free()


def check_example(program, path, is_shell):
    child = Child([program, path])
    try:
        child.hello()
        text = "one two\nthree"
        child.job("x", "text.count",
                  text.encode() if is_shell else json.dumps({"text": text}).encode())
        got = child.receive()
        while got["op"] != "result":
            got = child.receive()
        assert got["status"] == "ok", got
        assert json.loads(got["body"]) == (3 if is_shell else {"words": 3}), got
        child.job("y", "text.count", b"" if is_shell else b"{}")
        child.expect(op="result", id="y", status="fail", category="invalid")
    finally:
        child.free()


def main():
    failures = 0
    checks = (check_results, check_two_at_once, check_shutdown, check_shutdown_idle,
              check_end_of_input, check_pieces)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder
        for language, (program, ending, source, helper, example) in LANGUAGES.items():
            if not shutil.which(program):
                print(f"{language}: skipped, no {program}")
                continue
            path = os.path.join(folder, "handler" + ending)
            with open(path, "w", encoding="utf-8") as file:
                file.write(source % os.path.join(EXAMPLES, helper))
            runs = [(f"{c.__name__}, {'sockets' if s else 'pipes'}", c, s)
                    for c in checks for s in (False, True)]
            for name, check, use_sockets in runs:
                child = Child([program, path], use_sockets)
                try:
                    check(child)
                    print(f"{language}: {name}: ok")
                except (AssertionError, OSError, ValueError, subprocess.TimeoutExpired) as e:
                    failures += 1
                    print(f"{language}: {name}: FAILED: {e}")
                finally:
                    child.free()
            more = {
                "blocked": lambda a=(program, path): check_blocked(lambda: Child(list(a))),
                "malformed": lambda a=(program, path): check_malformed(lambda: Child(list(a))),
                "killed": lambda a=(program, path): check_killed(lambda: Child(list(a)), folder),
                "example": lambda a=(program, os.path.join(EXAMPLES, language, example)):
                    check_example(*a, language == "shell"),
            }
            for name, check in more.items():
                try:
                    check()
                    print(f"{language}: {name}: ok")
                except (AssertionError, OSError, ValueError, subprocess.TimeoutExpired) as e:
                    failures += 1
                    print(f"{language}: {name}: FAILED: {e}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
