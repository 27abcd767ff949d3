/**
 * One view on a snapshot, wherever it lies: an archive, or a checkpoint in a home.
 *
 * Invariants: a checkpoint is pinned before its segments are read and until `close`; what is damaged comes out as a
 * coded error, with where; memory holds a block at a time.
 */
import { type Archive, openArchive } from '../archive/read.js';
import { type Summary, summarize } from '../archive/summary.js';
import { TidemarkError } from '../base/errors.js';
import { realDisk } from '../base/real-disk.js';
import type { Catalog } from '../catalog/catalog.js';
import type { CheckpointRecord, JobRecord } from '../catalog/records.js';
import { BytesDamaged } from '../codec/codec.js';
import { ByteReader } from '../codec/reader.js';
import { type Entry, readEntry } from '../format/entry.js';
import { decodeManifest, type ManifestOperator, type ManifestTable } from '../format/manifest.js';
import { SegmentReader } from '../format/segment.js';
import { entriesOf } from '../format/segment-read.js';
import { checkpointSummary } from './checkpoint-summary.js';

/** How long a pin outlives a command that was killed while it read. */
const PIN_MS = 6 * 3_600_000;
const PIN_TRIES = 10;

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
  entries(
    table: ManifestTable,
    only?: { readonly group: number; readonly bytes: Buffer },
  ): AsyncIterable<Entry>;
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
  const { pin, checkpoint } = pinned(catalog, job, id, now + PIN_MS);
  const label = `${job.name}@${checkpoint.id}`;
  try {
    const manifest = decodeManifest(checkpoint.manifest, label);
    const entries = (table: ManifestTable, only?: { readonly group: number; readonly bytes: Buffer }) =>
      checkpointEntries(catalog, checkpoint, label, table, only);
    return {
      label,
      operators: manifest.operators,
      tables: manifest.tables,
      summary: () => checkpointSummary(checkpoint, manifest, entries),
      entries,
      close: async () => catalog.unpin(pin),
    };
  } catch (error) {
    catalog.unpin(pin);
    throw error;
  }
}

/** A live job takes the next checkpoint, and drops the last, between looking and pinning; then it is looked again. */
function pinned(
  catalog: Catalog,
  job: JobRecord,
  id: number | undefined,
  until: number,
): { readonly pin: number; readonly checkpoint: CheckpointRecord } {
  for (let tries = 1; ; tries++) {
    const checkpoint = id === undefined ? catalog.lastCompleted(job.id) : catalog.checkpoint(job.id, id);
    if (checkpoint === undefined) {
      const message = `${job.name} (${job.id}) has no checkpoint that is still kept`;
      throw new TidemarkError('CHECKPOINT_NOT_FOUND', message, {
        hint: `look for a savepoint: tidemark snapshots ${job.name}`,
      });
    }
    try {
      const why = `${job.id}@${checkpoint.id}`;
      return { pin: catalog.pin(job.id, checkpoint.id, { who: 'inspect', why, until }), checkpoint };
    } catch (error) {
      const dropped = error instanceof TidemarkError && error.code === 'CHECKPOINT_NOT_FOUND';
      if (id !== undefined || !dropped || tries === PIN_TRIES) throw error;
    }
  }
}

async function* archiveEntries(
  archive: Archive,
  table: ManifestTable,
  only: { readonly group: number; readonly bytes: Buffer } | undefined,
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

/** Native blocks are in no order: all are read, whatever is wanted of them. */
async function* checkpointEntries(
  { home }: Catalog,
  { segments }: CheckpointRecord,
  label: string,
  table: ManifestTable,
  only: { readonly group: number; readonly bytes: Buffer } | undefined,
): AsyncGenerator<Entry> {
  for (const name of segments) {
    const reader = await SegmentReader.open(realDisk, home.segments, name);
    try {
      for await (const block of reader.blocks()) {
        for (const entry of entriesOf(block, label)) {
          if (entry.table !== table.id || entry.tombstone) continue;
          if (only === undefined || (entry.group === only.group && entry.key.equals(only.bytes))) yield entry;
        }
      }
    } finally {
      await reader.close();
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
