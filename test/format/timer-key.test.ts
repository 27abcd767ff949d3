import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BytesDamaged } from '../../src/codec/codec.js';
import { ByteReader } from '../../src/codec/reader.js';
import { ByteWriter } from '../../src/codec/writer.js';
import { timerKey } from '../../src/format/timer-key.js';
import fc from '../helpers/property.js';

function bytes(time: number): Buffer {
  const out = new ByteWriter(0);
  timerKey.write(time, out);
  return out.copy();
}

const read = (from: Buffer) => timerKey.read(new ByteReader(from));

describe('the time of a timer as a map key', () => {
  const known: [number, string][] = [
    [0, '8000000000000000'],
    [1, '8000000000000001'],
    [-1, '7fffffffffffffff'],
    [1_700_000_000_000, '8000018bcfe56800'],
    [Number.MAX_SAFE_INTEGER, '801fffffffffffff'],
    [Number.MIN_SAFE_INTEGER, '7fe0000000000001'],
  ];
  for (const [time, hex] of known) {
    it(`writes ${time} as ${hex}`, () => {
      assert.equal(bytes(time).toString('hex'), hex);
      assert.equal(read(Buffer.from(hex, 'hex')), time);
    });
  }

  it('reads back what it wrote, and orders bytes as times', () => {
    const property = fc.property(fc.maxSafeInteger(), fc.maxSafeInteger(), (a, b) => {
      assert.equal(read(bytes(a)), a);
      assert.equal(Math.sign(Buffer.compare(bytes(a), bytes(b))), Math.sign(a - b));
    });
    fc.assert(property);
  });

  for (const hex of ['', '80000000000000', '8020000000000000', '7fe0000000000000', 'ffffffffffffffff']) {
    it(`takes ${hex === '' ? 'no bytes' : hex} for damage`, () => {
      assert.throws(() => read(Buffer.from(hex, 'hex')), BytesDamaged);
    });
  }
});
