#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
/*
 * Counts the words of a text. Payload: {"text": "…"}; result: {"words": n}.
 *
 * handlers:
 *   text.count: "exec:node docs/examples/node/example-handler.js"
 */
'use strict';
const { run, Fail } = require('./wherry-handler');

run(async (job) => {
  const { text } = job.json(); // broken JSON is a SyntaxError: permanent
  if (typeof text !== 'string') {
    throw new Fail('the payload has no text', { category: 'invalid' });
  }
  let words = 0;
  const lines = text.split('\n');
  for (const [index, line] of lines.entries()) {
    if (job.signal.aborted) throw new Fail('cancelled');
    words += line.split(/\s+/).filter(Boolean).length;
    job.progress((100 * (index + 1)) / lines.length);
  }
  job.log('info', `${words} words, attempt ${job.attempt}`);
  return { words };
}, { concurrency: 10 });
