#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the words of a text. Payload: {"text": "…"}; result: {"words": n}.

handlers:
  text.count: "exec:python3 docs/examples/python/example_handler.py"
"""
from wherry_handler import Fail, run


def handle(job):
    text = job.json().get("text")  # broken JSON is JSONDecodeError: permanent
    if not isinstance(text, str):
        raise Fail("the payload has no text", category="invalid")
    words = 0
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if job.cancelled.is_set():
            raise Fail("cancelled")
        words += len(line.split())
        job.progress(100 * number // len(lines))
    job.log("info", f"{words} words, attempt {job.attempt}")
    return {"words": words}


if __name__ == "__main__":
    run(handle, concurrency=4)
