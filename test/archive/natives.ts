/** Native archives by hand: runs, chains of them, and what they stand for, worked out without the code under test. */
import type { TableShape } from '../../src/archive/table-list.js';
import { packSegments } from '../../src/archive/write.js';
import type { Disk } from '../../src/base/disk.js';
import { keyGroupOf } from '../../src/base/key-groups.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { valueCodec } from '../../src/codec/value.js';
import { EntryScan } from '../../src/format/entry-scan.js';
import { isKeyed, type ManifestOperator, type ManifestTable } from '../../src/format/manifest.js';
import type { Provenance } from '../../src/format/provenance.js';
import { SegmentWriter } from '../../src/format/segment.js';
import { RunWriter } from '../../src/store/run-writer.js';
import type { Payload } from '../../src/store/sort-buffer.js';
import type { FaultyDisk } from '../helpers/faulty-disk.js';
import { memoryDisk, PATH } from './archives.js';
import { Blocks, operator, PROVENANCE, table } from './blocks.js';
import { everything, OPERATORS, TABLES } from './everything.js';

/** One entry on its own. */
interface Loose {
  readonly bytes: Buffer;
  readonly table: number;
  readonly group: number;
  readonly identity: Buffer;
  readonly tombstone: boolean;
  readonly stamp: bigint | undefined;
}

export interface Segment {
  readonly name: string;
  readonly bytes: number;
}

export interface Chain {
  /** Oldest first: what each run holds. May be read several times. */
  readonly runs: readonly AsyncIterable<Payload>[];
  readonly tables: readonly TableShape[];
  readonly operators: readonly ManifestOperator[];
  readonly provenance?: Provenance;
  readonly drained?: boolean;
  readonly mode?: 'full' | 'incremental';
  readonly backend?: 'memory' | 'disk';
  /** Entries by subtask of keyed tables, for some parallelism. */
  readonly subtasks?: boolean;
}

/** Every entry on its own, in the order they were written. */
export async function entriesIn(blocks: AsyncIterable<Payload>): Promise<Loose[]> {
  const found: Loose[] = [];
  const scan = new EntryScan();
  for await (const { payload } of blocks) {
    for (let at = 0; at < payload.length; at = scan.end) {
      scan.scan(payload, at, payload.length);
      found.push({
        bytes: Buffer.from(payload.subarray(at, scan.end)),
        table: scan.table,
        group: scan.group,
        identity: Buffer.from(payload.subarray(scan.identityAt, scan.identityEnd)),
        tombstone: scan.tombstone,
        stamp: scan.stamp(payload),
      });
    }
  }
  return found;
}

/** A sorted segment of these entries. */
export async function writeRun(disk: Disk, folder: string, blocks: AsyncIterable<Payload>): Promise<Segment> {
  const entries = await entriesIn(blocks);
  entries.sort((a, b) => a.table - b.table || a.group - b.group || Buffer.compare(a.identity, b.identity));
  const writer = await RunWriter.create(disk, folder);
  const scan = new EntryScan();
  for (const { bytes } of entries) {
    scan.scan(bytes, 0, bytes.length);
    writer.entry(bytes, scan, 0);
    if (writer.crowded) await writer.room();
  }
  const { name, bytes } = await writer.finish(() => undefined);
  return { name, bytes };
}

/** A segment of these entries in the order they were written, as the memory backend's full checkpoints have it. */
export async function writeUnsorted(
  disk: Disk,
  folder: string,
  blocks: AsyncIterable<Payload>,
): Promise<Segment> {
  const writer = await SegmentWriter.create(disk, folder);
  for await (const { payload, entries } of blocks) await writer.append(payload, entries);
  const { name, bytes } = await writer.finish();
  return { name, bytes };
}

/** What the runs stand for: newest wins, no tombstones, unkeyed tables as the last run has them. */
export async function liveIn({ runs, tables, provenance = PROVENANCE }: Chain): Promise<Loose[]> {
  const unkeyed = new Set(tables.filter(({ kind }) => !isKeyed(kind)).map(({ id }) => id));
  const newest = new Map<string, Loose>();
  for (const [i, run] of runs.entries()) {
    for (const entry of await entriesIn(run)) {
      if (unkeyed.has(entry.table) && i < runs.length - 1) continue;
      newest.set(`${entry.table} ${entry.group} ${entry.identity.toString('hex')}`, entry);
    }
  }
  const expired = ({ stamp }: Loose) => stamp !== undefined && stamp <= BigInt(provenance.barrierTime);
  return [...newest.values()].filter((entry) => !entry.tombstone && !expired(entry));
}

/** The same as blocks, one entry each. */
export function liveBlocksIn(chain: Chain): AsyncIterable<Payload> {
  return {
    async *[Symbol.asyncIterator]() {
      for (const { bytes } of await liveIn(chain)) yield { payload: Buffer.from(bytes), entries: 1 };
    },
  };
}

async function manifestTables(chain: Chain): Promise<ManifestTable[]> {
  const live = await liveIn(chain);
  const kinds = new Map(chain.tables.map(({ id, kind }) => [id, kind]));
  const counting = (i: number, entry: Loose) =>
    i === chain.runs.length - 1 || isKeyed(kinds.get(entry.table) ?? 'value');
  const all: Loose[] = [];
  for (const [i, run] of chain.runs.entries())
    all.push(...(await entriesIn(run)).filter((entry) => counting(i, entry)));
  const { parallelism } = chain.provenance ?? PROVENANCE;
  return chain.tables.map((shape) => {
    const own = live.filter((entry) => entry.table === shape.id);
    const bytes = all
      .filter((entry) => entry.table === shape.id)
      .reduce((sum, entry) => sum + entry.bytes.length, 0);
    const counts: number[] = new Array(parallelism).fill(0);
    for (const { group } of own) counts[group % parallelism] = (counts[group % parallelism] ?? 0) + 1;
    const counted = chain.subtasks === true && isKeyed(shape.kind);
    return { ...shape, entries: own.length, bytes, ...(counted ? { subtasks: counts } : {}) };
  });
}

/** Packs segments that are there into an archive at `path`; the tables count what the chain's runs stand for. */
export async function packInto(
  disk: Disk,
  folder: string,
  path: string,
  segments: readonly Segment[],
  chain: Chain,
): Promise<void> {
  const archive = await packSegments({
    disk,
    folder,
    segments,
    tables: await manifestTables(chain),
    operators: chain.operators,
    kind: 'checkpoint',
    mode: chain.mode ?? 'incremental',
    backend: chain.backend ?? 'disk',
    drained: chain.drained ?? false,
    provenance: chain.provenance ?? PROVENANCE,
    output: { path },
  });
  await archive.commit();
}

/** A chain packed at {@link PATH}; gives the names of its segments. */
export async function packChain(
  disk: FaultyDisk,
  chain: Chain,
  write: typeof writeRun = writeRun,
): Promise<string[]> {
  await disk.mkdir('/segments');
  const segments: Segment[] = [];
  for (const run of chain.runs) segments.push(await write(disk, '/segments', run));
  await packInto(disk, '/segments', PATH, segments, chain);
  return segments.map(({ name }) => name);
}

/** `count.seen` of `keys` users; every later run changes every third and removes every seventh, from its own on. */
export function userChain(keys: number, runs: number): Chain {
  const codec = keyCodecById('string');
  const increments = Array.from({ length: runs }, (_, run) => {
    const blocks = new Blocks();
    for (let i = 0; i < keys; i++) {
      if (run === 0 || (i + run) % 3 === 0) blocks.value(0, `user-${i}`, i * 10 + run, 'string', 4);
      else if ((i + run) % 7 === 0) {
        blocks.out.begin(0, keyGroupOf(codec.hash(`user-${i}`), 4));
        blocks.out.key(codec, `user-${i}`);
        blocks.out.tombstone();
      }
    }
    return blocks;
  });
  return {
    runs: increments,
    tables: [table(0, 'count', 'seen', 'number')],
    operators: [operator('count', 'process', 'string', 4)],
    subtasks: true,
  };
}

/** Everything, with a first run that says other things of the same tables, of which no more is left. */
export function everythingTwice(): Chain {
  const first = new Blocks();
  for (let i = 0; i < 20; i++) first.value(4, `value-${i}`, 'older');
  for (const id of [0, 3, 12, 16]) {
    first.out.begin(id, 0);
    first.out.key(keyCodecById(id === 0 ? 'string' : 'long'), id === 0 ? 'old.txt' : 9);
    first.out.value(valueCodec, id === 0 ? { position: 1, done: false } : 5);
  }
  first.out.begin(5, keyGroupOf(keyCodecById('auto').hash('gone'), 128));
  first.out.key(keyCodecById('auto'), 'gone');
  first.out.value(valueCodec, 1);
  const second = everything();
  second.out.begin(5, keyGroupOf(keyCodecById('auto').hash('gone'), 128));
  second.out.key(keyCodecById('auto'), 'gone');
  second.out.tombstone();
  return { runs: [first, second], tables: TABLES, operators: OPERATORS };
}

/** `count.seen` of some users on a disk in memory, at {@link PATH}. */
export async function chainOnDisk(
  keys: number,
  runs: number,
): Promise<{ disk: FaultyDisk; names: string[] }> {
  const disk = await memoryDisk();
  const names = await packChain(disk, userChain(keys, runs));
  return { disk, names };
}
