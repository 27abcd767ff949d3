import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BytesDamaged, type Codec, ValueRefused } from '../../src/codec/codec.js';
import { listCodec } from '../../src/codec/list.js';
import { ByteReader } from '../../src/codec/reader.js';
import { valueCodec } from '../../src/codec/value.js';
import { ByteWriter } from '../../src/codec/writer.js';

function written<T>(codec: Codec<T>, value: T): Buffer {
  const out = new ByteWriter();
  codec.write(value, out);
  return out.copy();
}

describe('lists as values', () => {
  const codec = listCodec(valueCodec);

  for (const length of [0, 1, 15, 16, 65_535, 65_536]) {
    it(`keeps ${length} elements as the value codec keeps an array`, () => {
      const list = Array.from({ length }, (_, i) => i % 100);
      const bytes = written(codec, list);
      assert.deepEqual(bytes, written(valueCodec, list));
      const from = new ByteReader(bytes);
      assert.deepEqual(codec.read(from), list);
      assert.equal(from.remaining, 0);
    });
  }

  it('names the element that is refused', () => {
    const refused = (error: unknown) => error instanceof ValueRefused && error.path === '[2].f';
    assert.throws(() => written(codec, [1, 2, { f: () => {} }]), refused);
  });

  it('refuses an element codec that writes nothing', () => {
    const nothing: Codec<unknown> = { id: 'nothing', version: 1, write: () => {}, read: () => 0 };
    assert.throws(() => written(listCodec(nothing), [1]), ValueRefused);
  });

  for (const hex of ['', 'c0', '92', '9201', 'dcffff01', 'ddffffffff01', 'dc000101', 'dd0000000101']) {
    it(`takes ${hex === '' ? 'no bytes' : hex} for damage`, () => {
      assert.throws(() => codec.read(new ByteReader(Buffer.from(hex, 'hex'))), BytesDamaged);
    });
  }
});
