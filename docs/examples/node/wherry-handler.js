// SPDX-License-Identifier: Apache-2.0
'use strict';
/*
 * Wherry exec handlers in Node: copy this file beside your code, no packages needed.
 *   const { run } = require('./wherry-handler');
 *   run(async (job) => ({ seen: job.json() }), { concurrency: 10 });
 * A result is a Buffer, a string, or anything JSON can say. console.log is safe: frames
 * travel on fds 3 and 4. The protocol (FLP/1) stands in docs/handlers.md.
 */
const net = require('node:net');

const [HEADER_MAX, RESULT_MAX, MESSAGE_MAX, CONTEXT_MAX] = [16384, 65536, 1024, 4096];
const EX_PROTOCOL = 76;

/** Failed for good: the job goes to the dead-letter queue. */
class Fail extends Error {
  constructor(message, { category = 'invalid', context } = {}) {
    super(message);
    Object.assign(this, { status: 'fail', category, context });
  }
}

/** Failed; runs again later if its category and attempts allow. */
class Retry extends Error {
  constructor(message, { category = 'error', delayMs, context } = {}) {
    super(message);
    Object.assign(this, { status: 'retry', category, delayMs, context });
  }
}

/** Not now: runs again after delayMs, no attempt used. */
class Snooze extends Error {
  constructor(delayMs, message = '', { category = '' } = {}) {
    super(message);
    Object.assign(this, { status: 'snooze', category, delayMs });
  }
}

function cut(text, limit) {
  const bytes = Buffer.from(String(text), 'utf8');
  let end = Math.min(bytes.length, limit);
  while (end < bytes.length && end > 0 && (bytes[end] & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}

/** Properties as in the header (id, attempt, deadline_ms …), payload as a Buffer. */
class Job {
  #send;
  #abort = new AbortController();

  constructor(header, payload, send) {
    Object.assign(this, header);
    this.payload = payload;
    this.#send = send;
  }

  /** Aborted when the job is cancelled; its reason is the worker's. */
  get signal() { return this.#abort.signal; }
  cancel(reason) { this.#abort.abort(reason); }
  json() { return JSON.parse(this.payload.toString('utf8')); }

  busy(forMs) { this.#send({ op: 'busy', for_ms: Math.trunc(forMs) }); } // claim nothing so long

  progress(percent, message = '') {
    const bounded = Math.max(0, Math.min(100, Math.trunc(percent) || 0));
    this.#send({ op: 'progress', id: this.id, percent: bounded, message: cut(message, 256) });
  }

  log(level, message) {
    this.#send({ op: 'log', id: this.id, level, message: cut(message, MESSAGE_MAX) });
  }
}

function bodyOf(value) {
  if (Buffer.isBuffer(value)) return value;
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value ?? null));
}

function describe(error) {
  const known = [Fail, Retry, Snooze].some((kind) => error instanceof kind);
  const isError = error instanceof Error;
  const result = {
    status: known ? error.status : 'retry',
    // System errors have a code (ECONNREFUSED), which says more than the class.
    category: known ? error.category : String((isError && (error.code || error.name)) || 'error'),
    message: cut(isError ? error.message || error.name : error, MESSAGE_MAX),
  };
  if (known && error.delayMs !== undefined) result.delay_ms = Math.trunc(error.delayMs);
  const context = known ? error.context : isError && error.stack;
  if (context) result.context = cut(context, CONTEXT_MAX);
  return result;
}

/** Cuts a stream into frames; throws on what is no frame. */
class Frames {
  #chunks = [];
  #size = 0;
  #header = null;

  * push(chunk) {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    while (this.#size >= (this.#header ? this.#header.body_len : 1)) {
      const data = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
      const end = this.#header ? this.#header.body_len : data.indexOf(10) + 1;
      if (!this.#header && (end > HEADER_MAX || (end === 0 && data.length >= HEADER_MAX))) {
        throw new Error('a header over 16 KiB');
      }
      this.#chunks = [data.subarray(end)];
      this.#size = data.length - end;
      if (this.#header) {
        yield { header: this.#header, body: data.subarray(0, end) };
        this.#header = null;
      } else if (end > 0) {
        this.#header = Frames.parse(data.toString('utf8', 0, end));
      } else {
        return;
      }
    }
  }

  static parse(line) {
    const header = JSON.parse(line);
    if (header?.constructor !== Object) throw new Error('a header is not a JSON object');
    header.body_len ??= 0;
    if (Number.isSafeInteger(header.body_len) && header.body_len >= 0) return header;
    throw new Error('body_len is no length');
  }

  get isInside() { return this.#header !== null || this.#size > 0; }
}

/** Serves jobs until the worker says shutdown or is gone. */
function run(handler, { concurrency = 1, fdIn = 3, fdOut = 4 } = {}) {
  const input = new net.Socket({ fd: fdIn, readable: true, writable: false });
  const output = new net.Socket({ fd: fdOut, readable: false, writable: true });
  const frames = new Frames();
  const jobs = new Map();
  let stopping = false;

  const leave = () => jobs.size === 0 && output.end(() => process.exit(0));
  const refuse = (error) => {
    console.error(`wherry-handler: ${error.message}`);
    process.exit(EX_PROTOCOL);
  };
  const send = (header, body = Buffer.alloc(0)) => {
    if (body.length) header.body_len = body.length;
    let line = Buffer.from(`${JSON.stringify(header)}\n`);
    if (line.length > HEADER_MAX) { // escapes made it long
      delete header.context;
      line = Buffer.from(`${JSON.stringify(header)}\n`);
    }
    output.write(body.length ? Buffer.concat([line, body]) : line);
  };
  const runJob = async (job) => {
    try {
      const value = await handler(job);
      const body = value === undefined ? Buffer.alloc(0) : bodyOf(value);
      const tooBig = `result of ${body.length} bytes, limit ${RESULT_MAX}`;
      if (body.length > RESULT_MAX) throw new Fail(tooBig, { category: 'oversize' });
      send({ op: 'result', id: job.id, status: 'ok' }, body);
    } catch (error) {
      send({ op: 'result', id: job.id, ...describe(error) });
    }
    jobs.delete(job.id);
    if (stopping) leave();
  };
  const operations = {
    hello: () => send({ op: 'ready', version: 1, concurrency }),
    ping: () => send({ op: 'pong' }),
    job: (header, body) => {
      if (typeof header.id !== 'string') throw new Error('a job without id');
      const job = new Job(header, body, send);
      jobs.set(job.id, job);
      setImmediate(runJob, job);
    },
    cancel: (header) => jobs.get(header.id)?.cancel(header.reason),
    shutdown: () => {
      stopping = true;
      leave();
    },
  };

  input.on('data', (chunk) => {
    try {
      for (const { header, body } of frames.push(chunk)) {
        // An operation we do not know is of a newer worker and not for us.
        if (Object.hasOwn(operations, header.op)) operations[header.op](header, body);
      }
    } catch (error) {
      refuse(error);
    }
  });
  // At the end the worker is gone; its jobs will run elsewhere.
  input.on('end', () => (frames.isInside ? refuse(new Error('cut off')) : process.exit(0)));
  input.on('error', refuse);
  output.on('error', () => process.exit(0));
}

module.exports = { run, Fail, Retry, Snooze };
