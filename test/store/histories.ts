/**
 * Stores made by histories of changes, beside a plain map that says what must be alive in them.
 *
 * Tables 1, 2 and 300 are keyed, 2 with map keys; 0 and 7 are not.
 */

import type { ByteWriter } from '../../src/codec/writer.js';
import { EntryWriter } from '../../src/format/entry.js';
import { EntryScan } from '../../src/format/entry-scan.js';
import { DeltaWriter } from '../../src/store/delta-writer.js';
import { type LiveOptions, liveBlocks } from '../../src/store/live-blocks.js';
import { type MergeOptions, mergeRuns } from '../../src/store/merge.js';
import { RunReader } from '../../src/store/run-reader.js';
import { RunWriter, type WrittenRun } from '../../src/store/run-writer.js';
import type { SortLimits } from '../../src/store/sort-buffer.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import fc from '../helpers/property.js';

export const FOLDER = '/segments';
export const UNKEYED: ReadonlySet<number> = new Set([0, 7]);
export const KEYED = [1, 2, 300];

export interface Change {
  readonly table: number;
  readonly group: number;
  readonly key: string;
  readonly window?: bigint | undefined;
  readonly mapKey?: string | undefined;
  readonly stamp?: bigint | undefined;
  /** Undefined deletes it. */
  readonly value: string | undefined;
}

/** An entry as it is written, and what names it. */
export interface Encoded {
  readonly bytes: Buffer;
  readonly table: number;
  readonly group: number;
  readonly identity: Buffer;
  readonly stamp: bigint | undefined;
  readonly tombstone: boolean;
}

const latin = {
  write: (text: string, out: ByteWriter) => out.raw(Buffer.from(text, 'latin1')),
};

export function encode(change: Change): Encoded {
  let bytes = Buffer.alloc(0);
  const take = (length: number) => Buffer.alloc(length);
  const full = (chunk: Buffer, used: number) => {
    bytes = Buffer.from(chunk.subarray(0, used));
  };
  const out = new EntryWriter({ take, full }, 1024);
  out.begin(change.table, change.group);
  out.key(latin, change.key);
  if (change.window !== undefined) out.window(change.window, change.window + 10n);
  if (change.mapKey !== undefined) out.mapKey(latin, change.mapKey);
  if (change.value === undefined) out.tombstone();
  else {
    if (change.stamp !== undefined) out.stamp(change.stamp);
    out.value(latin, change.value);
  }
  out.flush();
  return decode(bytes, 0, bytes.length);
}

function decode(bytes: Buffer, at: number, limit: number): Encoded {
  const scan = new EntryScan();
  scan.scan(bytes, at, limit);
  const { table, group, tombstone, identityAt, identityEnd, end } = scan;
  const identity = bytes.subarray(identityAt, identityEnd);
  return { bytes: bytes.subarray(at, end), table, group, identity, stamp: scan.stamp(bytes), tombstone };
}

export function identityOf({ table, group, identity }: Encoded): string {
  return `${table}/${group}/${identity.toString('hex')}`;
}

export function inOrder(a: Encoded, b: Encoded): number {
  return a.table - b.table || a.group - b.group || a.identity.compare(b.identity);
}

export function hexOf(entries: readonly Encoded[]): string[] {
  return entries.map(({ bytes }) => bytes.toString('hex'));
}

/** Chunks with several entries each, as a drain hands them over. */
export function* chunksOf(
  entries: readonly Encoded[],
  size = 5,
): Generator<{ readonly bytes: Buffer; readonly count: number }> {
  for (let i = 0; i < entries.length; i += size) {
    const some = entries.slice(i, i + size);
    yield { bytes: Buffer.concat(some.map(({ bytes }) => bytes)), count: some.length };
  }
}

/** A store, and what is to be alive in it. */
export class History {
  readonly disk = new FaultyDisk();
  readonly registered = new Set<string>();
  /** Oldest first. */
  runs: WrittenRun[] = [];
  /** Processing time: what is not after it is expired. */
  now = 0n;
  readonly #keyed = new Map<string, Encoded>();
  #unkeyed: readonly Encoded[] = [];

  async open(): Promise<this> {
    await this.disk.mkdir(FOLDER);
    return this;
  }

  writer(limits?: SortLimits): DeltaWriter {
    const register = ({ name }: { readonly name: string }) => {
      this.registered.add(name);
    };
    const options = { disk: this.disk, folder: FOLDER, unkeyed: UNKEYED, register };
    return new DeltaWriter(limits === undefined ? options : { ...options, limits });
  }

  /** Adds a delta: these changes, the last for each identity, and all of the unkeyed tables. */
  async delta(
    changes: readonly Change[],
    unkeyed: readonly Change[] = [],
    limits?: SortLimits,
  ): Promise<readonly WrittenRun[]> {
    const all = new Map<string, Encoded>();
    for (const entry of [...unkeyed, ...changes].map(encode)) all.set(identityOf(entry), entry);
    const entries = [...all.values()];
    const writer = this.writer(limits);
    for (const { bytes, count } of chunksOf(entries)) {
      const padded = Buffer.concat([bytes, Buffer.from('rest')]);
      await writer.add(padded, bytes.length, count);
      padded.fill(0xee);
    }
    const runs = await writer.finish();
    this.runs.push(...runs);
    for (const [id, entry] of all) if (!UNKEYED.has(entry.table)) this.#keyed.set(id, entry);
    // A delta without an entry is no run, so that the one before stays the last.
    if (entries.length > 0) this.#unkeyed = entries.filter(({ table }) => UNKEYED.has(table));
    return runs;
  }

  /** Replaces the runs `from` up to, not with, `to`. */
  async merge(
    from: number,
    to: number,
    whole = false,
    more: Partial<MergeOptions> = {},
  ): Promise<WrittenRun> {
    const run = await this.merged(
      this.runs.slice(from, to).map(({ name }) => name),
      {
        unkeyed: UNKEYED,
        keepUnkeyed: whole ? 'last' : 'none',
        dropTombstones: from === 0,
        expiredAt: this.now,
        ...more,
      },
    );
    if (to === this.runs.length && !whole) this.#unkeyed = [];
    this.runs.splice(from, to - from, run);
    return run;
  }

  async merged(names: readonly string[], options: MergeOptions): Promise<WrittenRun> {
    return await this.reading(names, async (readers) => {
      const out = await RunWriter.create(this.disk, FOLDER);
      try {
        await mergeRuns(readers, out, options);
        return await out.finish(() => undefined);
      } catch (error) {
        await out.discard();
        throw error;
      }
    });
  }

  async reading<T>(names: readonly string[], act: (readers: readonly RunReader[]) => Promise<T>): Promise<T> {
    const readers: RunReader[] = [];
    for (const name of names) readers.push(await RunReader.openFile(this.disk, FOLDER, name));
    const result = await act(readers);
    for (const reader of readers) await reader.close();
    return result;
  }

  /** What the model says, of these tables in this order. */
  expected(tables = [0, 1, 2, 7, 300]): Encoded[] {
    const alive = [...this.#keyed.values()].filter(
      ({ tombstone, stamp }) => !tombstone && (stamp === undefined || stamp > this.now),
    );
    const all = [...alive, ...this.#unkeyed].sort(inOrder);
    return tables.flatMap((table) => all.filter((entry) => entry.table === table));
  }

  /** What is read. */
  async live(options: Partial<LiveOptions> = {}, runs = this.runs): Promise<Encoded[]> {
    const asked = { unkeyed: UNKEYED, expiredAt: this.now, ...options };
    const found: Encoded[] = [];
    await this.reading(
      runs.map(({ name }) => name),
      async (readers) => {
        for await (const { payload, entries } of liveBlocks(readers, asked)) {
          let count = 0;
          for (let at = 0; at < payload.length; count++) {
            const entry = decode(payload, at, payload.length);
            found.push(entry);
            at += entry.bytes.length;
          }
          if (count !== entries) throw new Error(`${entries} entries claimed, ${count} found`);
        }
      },
    );
    return found;
  }
}

const key = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'user-1', 'user-2', 'user-10', 'user-100', 'ÿ', `${'k'.repeat(200)}1`),
  fc.string({ maxLength: 3 }).map((text) => Buffer.from(text).toString('latin1')),
);
const stamp = fc.option(fc.bigInt({ min: 1n, max: 60n }), { nil: undefined });
const value = fc.oneof(
  { weight: 2, arbitrary: fc.constant(undefined) },
  { weight: 4, arbitrary: fc.string({ maxLength: 6 }).map((text) => Buffer.from(text).toString('latin1')) },
  { weight: 1, arbitrary: fc.nat({ max: 6000 }).map((length) => 'v'.repeat(length)) },
);

export const change: fc.Arbitrary<Change> = fc
  .record({
    table: fc.constantFrom(...KEYED),
    group: fc.constantFrom(0, 1, 127, 128, 32_767),
    key,
    window: fc.option(fc.constantFrom(-5n, 0n, 256n), { nil: undefined }),
    mapKey: fc.constantFrom('m', 'n', 'mm'),
    stamp,
    value,
  })
  .map((each) => (each.table === 2 ? each : { ...each, mapKey: undefined }));

export const unkeyedChange: fc.Arbitrary<Change> = fc.record({
  table: fc.constantFrom(...UNKEYED),
  group: fc.constant(0),
  key: fc.constantFrom('split-1', 'split-2', '0', ''),
  value: fc.string({ maxLength: 4 }).map((text) => Buffer.from(text).toString('latin1')),
});
