/**
 * One view on a snapshot, wherever it lies: an archive, or a checkpoint in a home.
 *
 * Invariants: a checkpoint is pinned before its segments are read and until `close`; what is damaged comes out as a
 * coded error, with where; memory holds a block at a time.
 */
import type { WantedKey } from '../archive/entries-view.js';
import { type Archive, openArchive } from '../archive/read.js';
import { isUnsorted, RunChain } from '../archive/run-chain.js';
import { type Summary, summarize } from '../archive/summary.js';
import { TidemarkError } from '../base/errors.js';
import { realDisk } from '../base/real-disk.js';
import type { Catalog } from '../catalog/catalog.js';
import type { CheckpointRecord } from '../catalog/records.js';
import { BytesDamaged } from '../codec/codec.js';
import { ByteReader } from '../codec/reader.js';
import { type Entry, readEntry } from '../format/entry.js';
import {
  decodeManifest,
  type Manifest,
  type ManifestOperator,
  type ManifestTable,
} from '../format/manifest.js';
import { SegmentReader } from '../format/segment.js';
import { entriesOf } from '../format/segment-read.js';
import { pinCheckpoint } from '../job/pin-checkpoint.js';
import { RunReader } from '../store/run-reader.js';
import { fileSource } from '../store/run-source.js';
import { checkpointSummary } from './checkpoint-summary.js';

/** As the archive's own, but for a checkpoint's path and provenance, which it has none of. */
export type SnapshotSummary = Omit<Summary, 'archive' | 'provenance'> & {
  readonly archive: Omit<Summary['archive'], 'path'> & { readonly path: string | null };
  readonly provenance: Summary['provenance'] | null;
};

export interface SnapshotView {
  /** How messages call it: its path, or `job@12`. */
  readonly label: string;
  readonly operators: readonly ManifestOperator[];
  readonly tables: readonly ManifestTable[];
  summary(): Promise<SnapshotSummary>;
  /** Entries of one table, all or those of one encoded key. Their buffers are valid until the next is asked for. */
  entries(table: ManifestTable, only?: WantedKey): AsyncIterable<Entry>;
  close(): Promise<void>;
}

/** @throws ARCHIVE_CORRUPT, FORMAT_NEWER, FILE_NOT_FOUND */
export async function viewArchive(path: string): Promise<SnapshotView> {
  const archive = await openArchive(realDisk, path);
  const { operators, tables } = archive.manifest;
  return {
    label: path,
    operators,
    tables,
    summary: () => summarize(archive),
    entries: (table, only) => archiveEntries(archive, table, only),
    close: () => archive.close(),
  };
}

/** The checkpoint of this id, else the last completed one. @throws CHECKPOINT_NOT_FOUND, MANIFEST_CORRUPT */
export function viewCheckpoint(
  catalog: Catalog,
  reference: string,
  id: number | undefined,
  now: number,
): SnapshotView {
  const job = catalog.job(reference);
  const { unpin, checkpoint } = pinCheckpoint(catalog, job, id, { who: 'inspect', now });
  const label = `${job.name}@${checkpoint.id}`;
  try {
    const manifest = decodeManifest(checkpoint.manifest, label);
    const segments = new CheckpointSegments(catalog, checkpoint, manifest, label);
    const entries: SnapshotView['entries'] = (table, only) => segments.entries(table, only);
    return {
      label,
      operators: manifest.operators,
      tables: manifest.tables,
      summary: () => checkpointSummary(checkpoint, manifest, entries),
      entries,
      async close() {
        await segments.close().finally(unpin);
      },
    };
  } catch (error) {
    unpin();
    throw error;
  }
}

async function* archiveEntries(
  archive: Archive,
  table: ManifestTable,
  only: WantedKey | undefined,
): AsyncGenerator<Entry> {
  if (only !== undefined) {
    yield* await archive.find(table.id, only.group, only.bytes);
    return;
  }
  for await (const { payload } of archive.blocks({ tables: [table.id] })) {
    const from = new ByteReader(payload);
    while (from.remaining > 0) {
      const entry = readEntry(from);
      if (entry.table === table.id && !entry.tombstone) yield entry;
    }
  }
}

/** The segments of a checkpoint: sorted runs, looked up and merged, or one in no order, read whole. */
class CheckpointSegments {
  readonly #folder: string;
  readonly #segments: readonly string[];
  readonly #manifest: Manifest;
  readonly #label: string;
  #chain: Promise<RunChain | undefined> | undefined;

  constructor({ home }: Catalog, { segments }: CheckpointRecord, manifest: Manifest, label: string) {
    this.#folder = home.segments;
    this.#segments = segments;
    this.#manifest = manifest;
    this.#label = label;
  }

  async *entries(table: ManifestTable, only: WantedKey | undefined): AsyncGenerator<Entry> {
    this.#chain ??= this.#findChain();
    const chain = await this.#chain;
    if (chain === undefined) yield* this.#unordered(table, only);
    else if (only !== undefined) yield* await chain.find(table, only.group, only.bytes);
    else {
      for await (const { payload } of chain.blocks(table)) {
        const from = new ByteReader(payload);
        while (from.remaining > 0) yield readEntry(from);
      }
    }
  }

  async close(): Promise<void> {
    const chain = await this.#chain?.catch(() => undefined);
    await chain?.close();
  }

  async #findChain(): Promise<RunChain | undefined> {
    const { mode, barrierTime } = this.#manifest;
    if (mode === 'full' && !(await this.#isRun())) return undefined;
    const open = this.#segments.map((name) => () => RunReader.openFile(realDisk, this.#folder, name));
    return new RunChain(open, barrierTime);
  }

  /** Whether the state lies in one sorted run. */
  async #isRun(): Promise<boolean> {
    const [only, ...more] = this.#segments;
    if (only === undefined || more.length > 0) return false;
    const source = await fileSource(realDisk, this.#folder, only);
    try {
      return !(await isUnsorted(source));
    } finally {
      await source.close();
    }
  }

  async *#unordered(table: ManifestTable, only: WantedKey | undefined): AsyncGenerator<Entry> {
    for (const name of this.#segments) {
      const reader = await SegmentReader.open(realDisk, this.#folder, name);
      try {
        for await (const block of reader.blocks()) {
          for (const entry of entriesOf(block, this.#label)) {
            if (entry.table !== table.id || entry.tombstone) continue;
            if (only === undefined || (entry.group === only.group && entry.key.equals(only.bytes)))
              yield entry;
          }
        }
      } finally {
        await reader.close();
      }
    }
  }
}

/** What the bytes of an entry turn out to be, as an error with a code. */
export function damagedEntry(error: unknown, label: string, table: ManifestTable): unknown {
  if (!(error instanceof BytesDamaged)) return error;
  const state = `${table.operator}.${table.name === '' ? table.kind : table.name}`;
  return new TidemarkError('ARCHIVE_CORRUPT', `${label}: an entry of ${state} is damaged: ${error.message}`, {
    hint: 'look at all that is wrong with an archive: tidemark verify FILE',
  });
}
