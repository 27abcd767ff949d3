/** The source of docs/blue-green.md. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineSource, schema } from 'tidemark';
import { z } from 'zod';
import { systemClock } from '../../src/base/clock.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';

const lines = (texts: readonly string[]) =>
  defineSource({
    position: schema(z.object({ line: z.number() })),
    splits: () => texts.map((_, i) => ({ id: String(i), start: { line: 0 } })),
    compare: (a, b) => a.line - b.line,
    async *read({ split, position, batch, until }) {
      const all = (texts[Number(split)] ?? '').split('\n');
      for (let { line } = position; line < all.length; ) {
        const stop = until !== undefined && until.line > line ? until.line : all.length;
        const elements = all.slice(line, Math.min(line + batch, stop));
        line += elements.length;
        yield { elements, position: { line } };
      }
    },
  });

test('a batch ends where it is asked to', async () => {
  const request = {
    cwd: '/',
    disk: new FaultyDisk(),
    clock: systemClock,
    log: () => undefined,
    state: {},
    signal: new AbortController().signal,
  };
  const source = lines(['a\nb\nc\nd\ne']);
  const ends: number[] = [];
  const reading = { split: '0', position: { line: 1 }, batch: 3, until: { line: 3 } };
  for await (const { position } of source.read({ ...request, ...reading })) ends.push(position.line);
  assert.deepEqual(ends, [3, 5]);
  assert.equal(source.compare?.({ line: 1 }, { line: 3 }), -2);
});
