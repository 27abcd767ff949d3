import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BytesDamaged, ValueRefused } from '../../src/codec/codec.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { ByteReader } from '../../src/codec/reader.js';
import { valueCodec } from '../../src/codec/value.js';
import { ByteWriter } from '../../src/codec/writer.js';
import { type Entry, EntryWriter, readEntry } from '../../src/format/entry.js';
import fc from '../helpers/property.js';
import { text, value } from '../helpers/values.js';

const keys = keyCodecById('auto');
const CHUNK = 1024;

interface Made {
  readonly table: number;
  readonly group: number;
  readonly key: string;
  readonly window: readonly [bigint, bigint] | undefined;
  readonly mapKey: string | undefined;
  readonly stamp: bigint | undefined;
  readonly tombstone: boolean;
  readonly value: unknown;
}

const time = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const made: fc.Arbitrary<Made> = fc.record(
  {
    table: fc.nat({ max: 65_535 }),
    group: fc.nat({ max: 32_767 }),
    key: text,
    window: fc.option(fc.tuple(time, time), { nil: undefined }),
    mapKey: fc.option(text, { nil: undefined }),
    stamp: fc.option(time, { nil: undefined }),
    tombstone: fc.boolean(),
    value,
  },
  { noNullPrototype: true },
);

interface Chunk {
  readonly bytes: Buffer;
  readonly entries: number;
}

function collector(): { chunks: Chunk[]; out: EntryWriter } {
  const chunks: Chunk[] = [];
  const pool = {
    take: (bytes: number) => Buffer.alloc(bytes),
    full: (chunk: Buffer, used: number, entries: number) => {
      chunks.push({ bytes: Buffer.from(chunk.subarray(0, used)), entries });
    },
  };
  return { chunks, out: new EntryWriter(pool, CHUNK) };
}

function write(out: EntryWriter, entry: Made): void {
  out.begin(entry.table, entry.group);
  out.key(keys, entry.key);
  if (entry.window !== undefined) out.window(...entry.window);
  if (entry.mapKey !== undefined) out.mapKey(keys, entry.mapKey);
  if (entry.tombstone) {
    out.tombstone();
    return;
  }
  if (entry.stamp !== undefined) out.stamp(entry.stamp);
  out.value(valueCodec, entry.value);
}

function asMade(entry: Entry): Made {
  const { table, group, namespace, stamp, tombstone } = entry;
  return {
    table,
    group,
    key: keys.read(new ByteReader(entry.key)) as string,
    window: namespace.kind === 'window' ? [namespace.start, namespace.end] : undefined,
    mapKey: entry.mapKey === undefined ? undefined : (keys.read(new ByteReader(entry.mapKey)) as string),
    stamp,
    tombstone,
    value: tombstone ? undefined : valueCodec.read(new ByteReader(entry.value)),
  };
}

function readAll(chunks: readonly Chunk[]): Made[] {
  const found: Made[] = [];
  for (const { bytes, entries } of chunks) {
    const from = new ByteReader(bytes);
    for (let i = 0; i < entries; i++) found.push(asMade(readEntry(from)));
    assert.equal(from.remaining, 0, 'a chunk holds whole entries only');
  }
  return found;
}

describe('entries', () => {
  test('come back as they went in, over any number of chunks', () => {
    fc.assert(
      fc.property(fc.array(made, { maxLength: 40 }), (all) => {
        const { chunks, out } = collector();
        for (const entry of all) write(out, entry);
        out.flush();
        const expected = all.map((entry) =>
          entry.tombstone ? { ...entry, stamp: undefined, value: undefined } : entry,
        );
        assert.deepStrictEqual(readAll(chunks), expected);
        assert.equal(out.entries, all.length);
        const written = chunks.reduce((sum, { bytes }) => sum + bytes.length, 0);
        assert.equal(out.bytes, written);
      }),
    );
  });

  test('fields across the borders of their length', () => {
    for (const length of [0, 126, 127, 128, 16_380, 16_384, 2_097_150, 2_097_160]) {
      const { chunks, out } = collector();
      const entry: Made = {
        table: 1,
        group: 2,
        key: 'x'.repeat(length % 3000),
        window: undefined,
        mapKey: undefined,
        stamp: undefined,
        tombstone: false,
        value: 'y'.repeat(length),
      };
      write(out, entry);
      write(out, entry);
      out.flush();
      assert.deepEqual(readAll(chunks), [entry, entry]);
    }
  });

  test('one that is refused leaves those before and after it whole', () => {
    const { chunks, out } = collector();
    const refused = () => {
      out.begin(0, 0);
      out.key(keys, 'bad');
      out.value(valueCodec, { a: [1, () => 1] });
    };
    const good = (key: string) => {
      out.begin(0, 0);
      out.key(keys, key);
      out.value(valueCodec, 1);
    };
    good('a');
    assert.throws(refused, ValueRefused);
    good('b');
    out.flush();
    assert.deepEqual(
      readAll(chunks).map(({ key }) => key),
      ['a', 'b'],
    );
    assert.equal(out.entries, 2);
  });

  test('damaged ones are found or read as others, never more', () => {
    fc.assert(
      fc.property(made, fc.nat(), fc.nat({ max: 255 }), (entry, any, change) => {
        const { chunks, out } = collector();
        write(out, entry);
        out.flush();
        const bytes = chunks[0]?.bytes ?? Buffer.alloc(0);
        bytes[any % bytes.length] = change;
        try {
          asMade(readEntry(new ByteReader(bytes)));
        } catch (error) {
          if (!(error instanceof BytesDamaged)) throw error;
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('claims beyond the limits', () => {
    const claims: readonly ((out: ByteWriter) => void)[] = [
      (out) => out.varint(65_536),
      (out) => out.varint(2 ** 53 - 1),
      (out) => out.raw(Buffer.from([0x80, 0x00])),
      (out) => out.raw(Buffer.alloc(9, 0xff)),
      (out) => out.raw(Buffer.from([0, 0x80, 0x80, 0x02])),
      (out) => {
        out.raw(Buffer.from([0, 0]));
        out.varint(16 * 1024 * 1024 + 1);
      },
      (out) => out.raw(Buffer.from([0, 0, 0, 4])),
      (out) => out.raw(Buffer.from([0, 0, 0, 0, 0, 4, 0])),
      (out) => out.raw(Buffer.from([0, 0, 0, 0, 0, 2, 1, 7])),
    ];
    for (const [i, claim] of claims.entries()) {
      const out = new ByteWriter();
      claim(out);
      out.raw(Buffer.alloc(100));
      assert.throws(() => readEntry(new ByteReader(out.copy())), BytesDamaged, `claim ${i}`);
    }
  });
});
