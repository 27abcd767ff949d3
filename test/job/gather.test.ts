import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Block, gather } from '../../src/job/gather.js';
import fc from '../helpers/property.js';

const block = fc
  .uint8Array({ minLength: 1, maxLength: 40 })
  .map((bytes): Block => ({ payload: Buffer.from(bytes), entries: bytes[0] ?? 0 }));

test('the same bytes and entries come in fewer blocks, each of its own memory and no larger than need be', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(block), fc.integer({ min: 1, max: 60 }), async (blocks, bytes) => {
      const found: Block[] = [];
      for await (const one of gather(each(blocks), bytes)) found.push(one);
      const joined = (all: readonly Block[]) => Buffer.concat(all.map(({ payload }) => payload));
      const entries = (all: readonly Block[]) => all.reduce((sum, one) => sum + one.entries, 0);
      assert.deepEqual(joined(found), joined(blocks));
      assert.equal(entries(found), entries(blocks));
      assert.ok(found.length <= blocks.length);
      const longest = Math.max(bytes, ...blocks.map(({ payload }) => payload.length));
      for (const { payload } of found) {
        assert.equal(payload.byteOffset, 0);
        assert.ok(payload.length > 0 && payload.length <= longest);
      }
      assert.equal(new Set(found.map(({ payload }) => payload.buffer)).size, found.length);
      for (const [i, { payload }] of found.entries()) {
        const next = found[i + 1];
        assert.ok(next === undefined || payload.length + next.payload.length > bytes);
      }
    }),
  );
});

async function* each(blocks: readonly Block[]): AsyncGenerator<Block> {
  yield* blocks;
}
