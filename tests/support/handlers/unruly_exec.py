#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A child of the exec executor that behaves, or misbehaves, as the payload says.

Arguments: concurrency (default 1); "never": is never ready; "exit": exits at once;
"version": speaks another version. Jobs run in threads, so that cancel is heard.
"""
import json
import os
import sys
import threading
import time

LOCK = threading.Lock()
cancelled = {}


def send_raw(data):
    with LOCK:
        while data:
            data = data[os.write(4, data):]


def send(body=b"", **header):
    if body:
        header["body_len"] = len(body)
    send_raw(json.dumps(header).encode() + b"\n" + body)


def wait(job, ms):
    """True when the job was cancelled in that time."""
    return cancelled[job["id"]].wait(ms / 1000)


def misbehave(job, word, rest):
    ident = job["id"]
    if word == "garbage":
        send_raw(b"\xff\xfe nonsense\n")
    elif word == "huge":
        send(op="result", id=ident, status="ok", body_len=4294967295)
    elif word == "longline":
        send_raw(b"x" * 20000)
    elif word == "stranger":
        send(op="result", id="00000000-0000-7000-8000-000000000000", status="ok")
    elif word == "double":
        send_raw(b'{"op":"log","op":"log","id":"%s"}\n' % ident.encode())
    elif word == "badstatus":
        send(op="result", id=ident, status="fine")
    elif word == "half":
        send_raw(b'{"op":"result","id":"')
        os._exit(5)
    elif word == "closed":
        os.close(4)
    elif word == "segv":
        os.kill(os.getpid(), 11)
    elif word == "exit":
        os._exit(int(rest))
    elif word == "deaf":
        time.sleep(60)
    time.sleep(30)  # the worker ends this


def work(job, body):
    ident = job["id"]
    word, _, rest = body.decode("latin-1").partition(" ")
    ok = {"op": "result", "id": ident, "status": "ok"}
    if word == "echo":
        send(rest.encode("latin-1"), **ok)
    elif word == "facts":
        send(json.dumps(job, sort_keys=True).encode(), **ok)
    elif word == "sleep":
        stopped = wait(job, int(rest))
        send(**({"op": "result", "id": ident, "status": "retry", "message": "stopped"}
                if stopped else ok))
    elif word == "retry":
        send(op="result", id=ident, status="retry", category=rest, message="no luck",
             context={"line": 7}, delay_ms=1500)
    elif word == "permanent":
        send(op="result", id=ident, status="retry", category="TimeoutError", permanent=True)
    elif word == "snooze":
        send(op="result", id=ident, status="snooze", delay_ms=2500.0)
    elif word == "busy":
        send(op="busy", for_ms=int(rest))
        send(**ok)
    elif word == "talk":
        print("on stdout", flush=True)
        print("on stderr", file=sys.stderr, flush=True)
        send(op="log", id=ident, level="info", message="by log")
        send(op="progress", id=ident, percent=40, message="on the way")
        send(b"0123456789", op="novelty", id=ident)
        time.sleep(0.01)
        send(**ok)
    elif word == "oversize":
        send(b"r" * int(rest), **ok)
    elif word == "twice":
        send(**ok)
        send(**ok)
    elif word == "pieces":
        frame = json.dumps({**ok, "body_len": 5}).encode() + b"\nhello"
        for i in range(len(frame)):
            send_raw(frame[i:i + 1])
    else:
        misbehave(job, word, rest)


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else "1"
    if mode == "exit":
        sys.exit("no configuration")
    channel = os.fdopen(3, "rb")
    for line in channel:
        header = json.loads(line)
        body = channel.read(header.get("body_len", 0))
        if header["op"] == "hello" and mode == "version":
            send(op="ready", version=9)
        elif header["op"] == "hello" and mode != "never":
            send(op="ready", version=1, concurrency=int(mode))
        elif header["op"] == "job":
            cancelled[header["id"]] = threading.Event()
            threading.Thread(target=work, args=(header, body), daemon=True).start()
        elif header["op"] == "cancel":
            cancelled[header["id"]].set()
        elif header["op"] == "ping":
            send(op="pong")
        elif header["op"] == "shutdown":
            break
    os._exit(0)


main()
