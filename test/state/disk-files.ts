/** Segments in memory, written at once: what the tests of the disk backend have below it. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { SyncDisk, SyncFile } from '../../src/base/disk.js';
import { ByteReader } from '../../src/codec/reader.js';
import { type Entry, EntryWriter, readEntry } from '../../src/format/entry.js';
import { EntryScan } from '../../src/format/entry-scan.js';
import { segmentPath } from '../../src/format/segment.js';
import { SEGMENT_FLAG, SegmentEncoder } from '../../src/format/segment-layout.js';
import { SORTED_BLOCK_BYTES } from '../../src/format/sorted-layout.js';
import { SortedSections } from '../../src/format/sorted-sections.js';

export const FOLDER = join('/', 'segments');

export class MemoryFiles implements SyncDisk {
  readonly files = new Map<string, Buffer>();
  open = 0;

  openSync(path: string): SyncFile {
    const bytes = this.files.get(path);
    if (bytes === undefined) throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
    this.open++;
    return {
      size: bytes.length,
      read: (into, offset) => bytes.copy(into, 0, offset, offset + into.length),
      close: () => this.open--,
    };
  }

  /** Writes entries, in any order, as a run, and says its name. */
  write(entries: readonly Entry[]): string {
    const bytes = encodeRun(entries);
    const name = createHash('sha256').update(bytes).digest('hex');
    this.files.set(segmentPath(FOLDER, name), bytes);
    return name;
  }
}

const raw = { write: (bytes: Buffer, out: { raw(bytes: Buffer): void }) => out.raw(bytes) };

export function writeEntry(out: EntryWriter, entry: Entry): void {
  out.begin(entry.table, entry.group);
  out.key(raw, entry.key);
  const { namespace, stamp } = entry;
  if (namespace.kind === 'window') out.window(namespace.start, namespace.end);
  else if (namespace.kind === 'global') out.global();
  else if (namespace.kind === 'value') out.namespace(raw, namespace.bytes);
  if (entry.mapKey !== undefined) out.mapKey(raw, entry.mapKey);
  if (stamp !== undefined) out.stamp(stamp);
  if (entry.tombstone) out.tombstone();
  else out.value(raw, entry.value);
}

/** The bytes of entries; gives them to `use` as they come. */
export function collector(chunkBytes = 512): { readonly out: EntryWriter; entries(): Entry[] } {
  const chunks: Buffer[] = [];
  const pool = {
    take: (bytes: number) => Buffer.alloc(bytes),
    full: (chunk: Buffer, used: number) => chunks.push(chunk.subarray(0, used)),
  };
  const out = new EntryWriter(pool, chunkBytes);
  return {
    out,
    entries() {
      out.flush();
      return chunks.flatMap(entriesIn);
    },
  };
}

function entriesIn(chunk: Buffer): Entry[] {
  const from = new ByteReader(chunk);
  const entries: Entry[] = [];
  while (from.remaining > 0) entries.push(readEntry(from));
  return entries;
}

interface Encoded {
  readonly bytes: Buffer;
  readonly scan: EntryScan;
}

function encodeRun(entries: readonly Entry[]): Buffer {
  const sorted = entries.map(encodeEntry).sort(order);
  const encoder = new SegmentEncoder();
  const parts: Buffer[] = [encoder.header(SEGMENT_FLAG.sorted)];
  const pages: Buffer[] = [];
  const sections = new SortedSections((page) => pages.push(page));
  for (const block of blocksOf(sorted)) {
    for (const { bytes, scan } of block) {
      if (!sections.add(scan.table, scan.group, bytes, scan.identityAt, scan.identityEnd, bytes.length))
        throw new Error('an identity comes twice in one run');
    }
    const payload = Buffer.concat(block.map(({ bytes }) => bytes));
    parts.push(encoder.block(payload, block.length), payload);
    sections.endBlock(payload.length);
  }
  const { totals } = encoder;
  const { index, stats, tail } = sections.finish(totals);
  return Buffer.concat([...parts, encoder.trailer(), ...pages, index, stats, tail]);
}

function* blocksOf(sorted: readonly Encoded[]): Generator<Encoded[]> {
  let block: Encoded[] = [];
  let length = 0;
  for (const entry of sorted) {
    if (block.length > 0 && length + entry.bytes.length > SORTED_BLOCK_BYTES) {
      yield block;
      block = [];
      length = 0;
    }
    block.push(entry);
    length += entry.bytes.length;
  }
  if (block.length > 0) yield block;
}

function encodeEntry(entry: Entry): Encoded {
  let bytes: Buffer = Buffer.alloc(0);
  const pool = {
    take: (least: number) => Buffer.alloc(least),
    full: (chunk: Buffer, used: number) => {
      bytes = chunk.subarray(0, used);
    },
  };
  const out = new EntryWriter(pool, 512);
  writeEntry(out, entry);
  out.flush();
  const scan = new EntryScan();
  scan.scan(bytes, 0, bytes.length);
  return { bytes, scan };
}

function order(a: Encoded, b: Encoded): number {
  if (a.scan.table !== b.scan.table) return a.scan.table - b.scan.table;
  if (a.scan.group !== b.scan.group) return a.scan.group - b.scan.group;
  return identityIn(a).compare(identityIn(b));
}

function identityIn({ bytes, scan }: Encoded): Buffer {
  return bytes.subarray(scan.identityAt, scan.identityEnd);
}

/** What tells an entry from all others of its snapshot. */
export function identityOf(entry: Entry): string {
  const { bytes, scan } = encodeEntry(entry);
  return `${scan.table} ${scan.group} ${identityIn({ bytes, scan }).toString('hex')}`;
}

/**
 * Runs of entries, oldest first, as one: the newest of each identity, a tombstone where that has expired; `live` leaves
 * those out.
 */
export function merged(
  runs: readonly (readonly Entry[])[],
  live: boolean,
  now = Number.NEGATIVE_INFINITY,
): Entry[] {
  const newest = new Map<string, Entry>();
  for (const run of runs) for (const entry of run) newest.set(identityOf(entry), entry);
  const entries = [...newest.values()].map((entry) =>
    entry.stamp === undefined || entry.stamp > now ? entry : tombstoneOf(entry),
  );
  return entries.filter(({ tombstone }) => !(live && tombstone));
}

function tombstoneOf(entry: Entry): Entry {
  return { ...entry, stamp: undefined, tombstone: true, value: Buffer.alloc(0) };
}
