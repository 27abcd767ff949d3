/** What an attempt starts from, and how a fresh data thread is given it: block by block, in bounded memory. */

import type { Disk } from '../base/disk.js';
import { TidemarkError } from '../base/errors.js';
import type { HomePaths } from '../base/home.js';
import type { Catalog } from '../catalog/catalog.js';
import type { JobOrigin, JobRecord } from '../catalog/records.js';
import { decodeManifest, type ManifestOperator, type ManifestTable } from '../format/manifest.js';
import { SegmentReader } from '../format/segment.js';
import { incompatibilities, nameOf } from '../restore/compatible.js';
import type { Table } from '../runtime/tables.js';
import type { Attempt } from './attempt.js';
import { type Block, gather } from './gather.js';
import { type GraphFacts, RESTORE_BYTES } from './protocol.js';

export interface Recovery {
  /** The completed checkpoint; undefined when the state is the one the job was restored from. */
  readonly checkpoint: number | undefined;
  readonly operators: readonly ManifestOperator[];
  readonly tables: readonly ManifestTable[];
  /** Processing time at the barrier. */
  readonly barrierTime: number;
  /** State left behind, as `uid` or `uid.name`. */
  readonly dropped: readonly string[];
  /** All entries; those of dropped tables are left out. */
  blocks(): AsyncIterable<Block>;
}

interface Places {
  readonly disk: Disk;
  readonly home: HomePaths;
}

/** The last completed checkpoint, else the archive the job was restored from, else nothing. */
export async function findRecovery(
  catalog: Catalog,
  job: JobRecord,
  places: Places,
): Promise<Recovery | undefined> {
  const checkpoint = catalog.lastCompleted(job.id);
  if (checkpoint === undefined)
    return job.origin === undefined ? undefined : fromOrigin(job, job.origin, places.disk);
  const manifest = decodeManifest(checkpoint.manifest, `checkpoint ${job.id}@${checkpoint.id}`);
  const { operators, tables, barrierTime } = manifest;
  const blocks = () => segmentBlocks(checkpoint.segments, places);
  return { checkpoint: checkpoint.id, operators, tables, barrierTime, dropped: [], blocks };
}

async function* segmentBlocks(segments: readonly string[], { disk, home }: Places): AsyncGenerator<Block> {
  for (const name of segments) {
    const reader = await SegmentReader.open(disk, home.segments, name);
    try {
      yield* reader.blocks();
    } finally {
      await reader.close();
    }
  }
}

async function fromOrigin(job: JobRecord, origin: JobOrigin, disk: Disk): Promise<Recovery> {
  // Loaded only by jobs that begin from one.
  const { openArchive } = await import('../archive/read.js');
  const archive = await openArchive(disk, origin.path).catch((error: unknown) => {
    if (!(error instanceof TidemarkError) || error.code !== 'FILE_NOT_FOUND') throw error;
    throw gone(job, origin, 'is gone');
  });
  const { operators, tables, digest } = archive.manifest;
  const { barrierTime } = archive.provenance;
  if (digest !== origin.digest) {
    await archive.close();
    throw gone(job, origin, 'holds another state now');
  }
  const isKept = (table: ManifestTable) =>
    !origin.dropped.includes(nameOf({ operator: table.operator, state: table.name }));
  const kept = tables.filter(isKept);
  async function* blocks(): AsyncGenerator<Block> {
    try {
      yield* archive.blocks({ tables: kept.map(({ id }) => id) });
    } finally {
      await archive.close();
    }
  }
  return { checkpoint: undefined, operators, tables: kept, barrierTime, dropped: origin.dropped, blocks };
}

function gone(job: JobRecord, origin: JobOrigin, what: string): TidemarkError {
  const message = `${origin.path}, from which ${job.name} was restored, ${what}, and there is no checkpoint yet`;
  return new TidemarkError('SNAPSHOT_GONE', message, {
    hint: `put the archive back and: tidemark resume ${job.name}; or: tidemark cancel ${job.name}`,
  });
}

/** @throws INCOMPATIBLE with all findings when the state does not fit the graph. */
export function checkFits(
  recovery: Pick<Recovery, 'operators' | 'tables' | 'dropped'>,
  facts: GraphFacts,
): void {
  const findings = incompatibilities(recovery, facts).filter(
    (finding) => !recovery.dropped.includes(nameOf(finding)),
  );
  if (findings.length === 0) return;
  const lines = findings.map((finding) => `  ${nameOf(finding)}: ${finding.message}`);
  throw new TidemarkError('INCOMPATIBLE', `the definition does not fit the state:\n${lines.join('\n')}`, {
    hint: "give renamed operators and states formerly: ['old name'], or go on with the old definition",
  });
}

/** Streams every entry to the attempt and lets it go. */
export async function feed(attempt: Attempt, recovery: Recovery | undefined): Promise<void> {
  if (recovery !== undefined) {
    // Tables are found by the number that entries carry; dropped ones leave a gap that no entry names.
    const tables: Table[] = [];
    for (const table of recovery.tables) tables[table.id] = table as Table;
    attempt.send({ type: 'tables', tables });
    for await (const { payload, entries } of gather(recovery.blocks(), RESTORE_BYTES))
      await attempt.restore(payload, entries);
  }
  const fromOrigin = recovery !== undefined && recovery.checkpoint === undefined;
  attempt.send({ type: 'go', beginning: { barrierTime: recovery?.barrierTime, fromOrigin } });
}
