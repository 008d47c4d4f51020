#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An exec handler (FLP/1) that misbehaves as the payload says: "<word> [number]".

Writes "start id attempt fence pid" and "end …" to the journal (FAULT_JOURNAL, O_APPEND)
before and after the work, so that the tests know what ran, also when nothing was reported.
One argument, optional: crash = die before "ready".
"""
import json
import os
import random
import select
import signal
import subprocess
import sys
import time

JOURNAL = os.open(os.environ["FAULT_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.set_inheritable(3, False)
os.set_inheritable(4, False)
buffer = b""


def note(what, job):
    os.write(JOURNAL, f"{what} {job['id']} {job['attempt']} {job['fence']} {os.getpid()}\n".encode())


def send(body=b"", **header):
    if body:
        header["body_len"] = len(body)
    data = json.dumps(header).encode() + b"\n" + body
    while data:
        data = data[os.write(4, data):]


def fill():
    global buffer
    piece = os.read(3, 65536)
    if not piece:
        sys.exit(0)
    buffer += piece


def frame():
    global buffer
    while b"\n" not in buffer:
        fill()
    line, buffer = buffer.split(b"\n", 1)
    header = json.loads(line)
    size = header.get("body_len", 0)
    while len(buffer) < size:
        fill()
    body, buffer = buffer[:size], buffer[size:]
    return header, body


def wait(job, seconds):
    """Until the time is over (True) or the job is cancelled (False)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([3], [], [], max(0, end - time.monotonic()))[0] or buffer:
            header, _ = frame()
            if header["op"] == "cancel" and header["id"] == job["id"]:
                return False
            if header["op"] == "ping":
                send(op="pong")
    return True


def hold(job):
    """Until the test opens the gate, for all or for this fence; False when cancelled."""
    gate = os.environ["FAULT_JOURNAL"] + ".open"
    while not (os.path.exists(gate) or os.path.exists(f"{gate}.{job['fence']}")):
        if not wait(job, 0.02):
            return False
    return True


def hang():
    for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signo, signal.SIG_IGN)
    while True:
        time.sleep(3600)


def daemonize():
    """A grandchild that left our session and group, and ignores SIGTERM."""
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            os.close(3)
            os.close(4)
            hang()
        os._exit(0)
    os.waitpid(child, 0)


def misbehave(job, word, number):
    ok = {"op": "result", "id": job["id"], "status": "ok"}
    if word in ("sleep", "hold"):
        if not (hold(job) if word == "hold" else wait(job, number / 1000)):
            return {**ok, "status": "retry", "message": "was told to stop"}
    elif word == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "exit":
        os._exit(number)
    elif word == "hang":
        hang()
    elif word == "orphan":
        daemonize()
        hang()
    elif word == "daemon":
        daemonize()
    elif word == "shell":
        subprocess.run(["sleep", str(number / 1000)], check=False)
    elif word == "garbage":
        # No blank first: one blank before a good result is good JSON.
        os.write(4, bytes([random.choice(range(33, 256))]) + os.urandom(number - 1))
    elif word == "half":
        os.write(4, b'{"op":"result","id":"')
        os._exit(0)
    elif word == "huge":
        send(op="result", id=job["id"], status="ok", body_len=4294967295)
    elif word == "twice":
        send(**ok)
    elif word == "stranger":
        send(**{**ok, "id": "00000000-0000-7000-8000-000000000000"})
    elif word == "leak":
        hoard.append(bytearray(os.urandom(1 << 20) * number))
        wait(job, 0.3)
    elif word == "balloon":
        while True:
            hoard.append(bytearray(os.urandom(1 << 20) * 8))
    elif word == "flood":
        line = b"x" * 1023 + b"\n"
        for _ in range(number * 16):
            os.write(1, line * 64)
    elif word == "binary":
        os.write(2, bytes(range(256)) * 64)
    elif word == "close":
        for fd in (0, 1, 2, 3, 4):
            os.close(fd)
        hang()
    elif word == "fail":
        return {**ok, "status": "fail", "category": "invalid", "message": "as asked"}
    elif word == "retry":
        return {**ok, "status": "retry", "category": "unavailable", "message": "as asked"}
    elif word == "snooze":
        return {**ok, "status": "snooze", "delay_ms": number, "category": "rate_limited",
                "message": "as asked"}
    return ok


hoard = []


def main():
    if sys.argv[1:] == ["crash"]:
        sys.exit(3)
    while True:
        header, body = frame()
        if header["op"] == "hello":
            send(op="ready", version=1, concurrency=1)
        elif header["op"] == "ping":
            send(op="pong")
        elif header["op"] == "shutdown":
            return
        elif header["op"] == "job":
            word, number = (body.decode().split() + ["", ""])[:2]
            note("start", header)
            answer = misbehave(header, word, int(number or 0))
            note("end", header)
            send(**answer)


main()
