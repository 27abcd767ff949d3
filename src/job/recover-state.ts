/** What an attempt starts from, and how a fresh data thread is given it: block by block, in bounded memory. */

import type { Archive } from '../archive/read.js';
import type { Disk } from '../base/disk.js';
import { TidemarkError } from '../base/errors.js';
import type { HomePaths } from '../base/home.js';
import type { Catalog } from '../catalog/catalog.js';
import type { JobOrigin, JobRecord, SegmentRecord } from '../catalog/records.js';
import type { ArchiveManifest } from '../format/archive-manifest.js';
import { decodeManifest, isKeyed, type ManifestOperator, type ManifestTable } from '../format/manifest.js';
import { SegmentReader } from '../format/segment.js';
import type { JobSettings } from '../graph/settings.js';
import { dropKey } from '../restore/drop.js';
import { graphChanges } from '../restore/graph-change.js';
import { planStates, refusedLines, type StatePlan } from '../restore/plan-states.js';
import type { Table } from '../runtime/tables.js';
import type { RunReader } from '../store/run-reader.js';
import type { Attempt } from './attempt.js';
import { type Block, gather } from './gather.js';
import { keepTables } from './keep-tables.js';
import { type AdoptedTable, type GraphFacts, RESTORE_BYTES } from './protocol.js';
import { withKeyTypes } from './snapshot-tables.js';

export interface Recovery {
  /** The name of the job. */
  readonly job: string;
  /** The completed checkpoint; undefined when the state is the one the job was restored from. */
  readonly checkpoint: number | undefined;
  readonly operators: readonly ManifestOperator[];
  readonly tables: readonly ManifestTable[];
  /** Processing time at the barrier. */
  readonly barrierTime: number;
  /** State left behind, as `uid` or `uid.name`. */
  readonly dropped: readonly string[];
  /** The runs that hold the state, oldest first, where the next checkpoint builds on them; else all is written anew. */
  readonly chain: readonly SegmentRecord[] | undefined;
  /** All live entries, or those of some tables; those of dropped tables are left out. */
  blocks(only?: readonly number[]): AsyncIterable<Block>;
}

export interface Places {
  readonly disk: Disk;
  readonly home: HomePaths;
  readonly settings: Pick<JobSettings, 'backend' | 'checkpoint' | 'parallelism'>;
  /** What the definition declares. */
  readonly facts: Pick<GraphFacts, 'operators' | 'tables'>;
  /** Makes segments known that are about to appear. */
  lease(segments: readonly SegmentRecord[]): void;
}

/** The checkpoints of a job hold what changed, whatever they are made into then: its state lies in runs. */
export function writesChanges({ backend, checkpoint }: Pick<JobSettings, 'backend' | 'checkpoint'>): boolean {
  return backend === 'disk' || checkpoint.mode === 'incremental';
}

/** The last completed checkpoint, else the archive the job was restored from, else nothing. */
export async function findRecovery(
  catalog: Catalog,
  job: JobRecord,
  places: Places,
): Promise<Recovery | undefined> {
  const checkpoint = catalog.lastCompleted(job.id);
  if (checkpoint === undefined)
    return job.origin === undefined ? undefined : fromOrigin(job, job.origin, places);
  const manifest = decodeManifest(checkpoint.manifest, `checkpoint ${job.id}@${checkpoint.id}`);
  const { operators, tables, barrierTime } = manifest;
  const common = { job: job.name, checkpoint: checkpoint.id, operators, tables, barrierTime, dropped: [] };
  if (!writesChanges(places.settings))
    return { ...common, chain: undefined, blocks: () => segmentBlocks(checkpoint.segments, places) };
  const chain = await sizesOf(checkpoint.segments, places);
  return { ...common, chain, blocks: (only) => runBlocks(chain, common, places, only) };
}

async function sizesOf(names: readonly string[], { disk, home }: Places): Promise<readonly SegmentRecord[]> {
  const sizes: SegmentRecord[] = [];
  for (const name of names) {
    const reader = await SegmentReader.open(disk, home.segments, name);
    sizes.push({ name, bytes: reader.bytes });
    await reader.close();
  }
  return sizes;
}

/** What a chain of runs holds, each entry once. */
export async function* runBlocks(
  chain: readonly SegmentRecord[],
  { tables, barrierTime }: Pick<Recovery, 'tables' | 'barrierTime'>,
  { disk, home }: Pick<Places, 'disk' | 'home'>,
  only: readonly number[] | undefined,
): AsyncGenerator<Block> {
  // Loaded only by jobs that write changes.
  const [{ liveBlocks }, { RunReader }] = await Promise.all([
    import('../store/live-blocks.js'),
    import('../store/run-reader.js'),
  ]);
  const readers: RunReader[] = [];
  try {
    for (const { name } of chain) readers.push(await RunReader.openFile(disk, home.segments, name));
    const unkeyed = new Set(tables.filter(({ kind }) => !isKeyed(kind)).map(({ id }) => id));
    const wanted = only ?? tables.map(({ id }) => id);
    yield* liveBlocks(readers, { unkeyed, tables: wanted, expiredAt: BigInt(barrierTime) });
  } finally {
    for (const reader of readers) await reader.close();
  }
}

export async function* segmentBlocks(
  segments: readonly string[],
  { disk, home }: Pick<Places, 'disk' | 'home'>,
): AsyncGenerator<Block> {
  for (const name of segments) {
    const reader = await SegmentReader.open(disk, home.segments, name);
    try {
      yield* reader.blocks();
    } finally {
      await reader.close();
    }
  }
}

async function fromOrigin(job: JobRecord, origin: JobOrigin, places: Places): Promise<Recovery> {
  const { disk, home } = places;
  const archive = await openOrigin(job, origin, disk);
  try {
    const { operators, tables } = archive.manifest;
    const { barrierTime, parallelism } = archive.provenance;
    const common = { job: job.name, checkpoint: undefined, operators, barrierTime, dropped: origin.dropped };
    if (takesOver(archive.manifest, parallelism, origin, places)) {
      const { takeOver } = await import('../archive/take-over.js');
      const chain = await takeOver(disk, archive, home.segments, (segments) => places.lease(segments));
      const blocks = (only?: readonly number[]) => runBlocks(chain, { tables, barrierTime }, places, only);
      return { ...common, tables, chain, blocks };
    }
    // What a native archive holds of transactions was committed before it was packed: restoring one commits nothing.
    const isKept = (table: ManifestTable) =>
      table.kind !== 'transactions' && !origin.dropped.includes(dropKey(table));
    const kept = tables.filter(isKept);
    const all = kept.map(({ id }) => id);
    const blocks = (only = all) => archiveBlocks(job, origin, disk, only);
    return { ...common, tables: kept, chain: undefined, blocks };
  } finally {
    await archive.close();
  }
}

async function* archiveBlocks(
  job: JobRecord,
  origin: JobOrigin,
  disk: Disk,
  tables: readonly number[],
): AsyncGenerator<Block> {
  const archive = await openOrigin(job, origin, disk);
  try {
    const blocks = archive.blocks({ tables });
    yield* archive.manifest.layout === 'native' ? keepTables(blocks, new Set(tables), archive.path) : blocks;
  } finally {
    await archive.close();
  }
}

async function openOrigin(job: JobRecord, origin: JobOrigin, disk: Disk): Promise<Archive> {
  // Loaded only by jobs that begin from one.
  const { openArchive } = await import('../archive/read.js');
  const archive = await openArchive(disk, origin.path).catch((error: unknown) => {
    if (!(error instanceof TidemarkError) || error.code !== 'FILE_NOT_FOUND') throw error;
    throw gone(job, origin, 'is gone');
  });
  if (archive.manifest.digest === origin.digest) return archive;
  await archive.close();
  throw gone(job, origin, 'holds another state now');
}

/** The archive's segments are runs, and this job can go on from them as they lie. */
function takesOver(
  manifest: ArchiveManifest,
  parallelism: number,
  origin: JobOrigin,
  { settings, facts }: Places,
): boolean {
  const runs =
    manifest.layout === 'native' && (manifest.mode === 'incremental' || manifest.backend === 'disk');
  if (!runs || !writesChanges(settings) || manifest.backend !== settings.backend) return false;
  if (parallelism !== settings.parallelism || origin.dropped.length > 0) return false;
  return graphChanges(manifest, facts).length === 0;
}

function gone(job: JobRecord, origin: JobOrigin, what: string): TidemarkError {
  const message = `${origin.path}, from which ${job.name} was restored, ${what}, and there is no checkpoint yet`;
  return new TidemarkError('SNAPSHOT_GONE', message, {
    hint: `put the archive back and: tidemark resume ${job.name}; or: tidemark cancel ${job.name}`,
  });
}

/** What must fit a graph. */
export interface RecoveryShape extends Pick<Recovery, 'job' | 'operators' | 'tables' | 'dropped'> {
  /** It is read as it lies, and fits no other graph than its own. */
  readonly chain: unknown;
}

/** What an attempt would start from, without touching it. */
export async function shapeOfRecovery(
  catalog: Catalog,
  job: JobRecord,
  settings: Pick<JobSettings, 'backend' | 'checkpoint'>,
  disk: Disk,
): Promise<RecoveryShape | undefined> {
  const checkpoint = catalog.lastCompleted(job.id);
  if (checkpoint !== undefined) {
    const { operators, tables } = decodeManifest(
      checkpoint.manifest,
      `checkpoint ${job.id}@${checkpoint.id}`,
    );
    return {
      job: job.name,
      operators,
      tables,
      dropped: [],
      chain: writesChanges(settings) ? true : undefined,
    };
  }
  if (job.origin === undefined) return undefined;
  const { dropped } = job.origin;
  const archive = await openOrigin(job, job.origin, disk);
  const { operators, tables, capabilities } = archive.manifest;
  await archive.close();
  return { job: job.name, operators, tables, dropped, chain: capabilities.changeGraph ? undefined : true };
}

/** What becomes of each state. @throws INCOMPATIBLE with all findings when the state does not fit the graph; GRAPH_CHANGED */
export function checkFits(recovery: RecoveryShape, facts: GraphFacts): readonly StatePlan[] {
  const tables = recovery.tables.filter((table) => !recovery.dropped.includes(dropKey(table)));
  const plan = planStates({ ...recovery, tables }, facts, { allowMissing: false, drop: [] });
  const lines = refusedLines(plan);
  if (lines.length === 0) {
    refuseOtherGraph(recovery, facts);
    return plan;
  }
  throw new TidemarkError('INCOMPATIBLE', `the definition does not fit the state:\n${lines.join('\n')}`, {
    hint: "give renamed operators and states formerly: ['old name'], or go on with the old definition",
  });
}

/** Runs are read as they lie: by the numbers of the tables they were written with. */
function refuseOtherGraph({ job, chain, operators, tables }: RecoveryShape, facts: GraphFacts): void {
  const changes = chain === undefined ? [] : graphChanges({ operators, tables }, facts);
  if (changes.length === 0) return;
  const lines = changes.map((line) => `  ${line}`);
  const file = `${job}.checkpoint.tar`;
  // The job's name, and its targets, are taken until it is canceled.
  const convert = [
    `tidemark externalize ${job} -o ${file}`,
    `tidemark check FILE --against ${file} --convert`,
    `tidemark cancel ${job}`,
    `tidemark restore ${file} --convert --definition FILE`,
  ].join(' && ');
  throw new TidemarkError(
    'GRAPH_CHANGED',
    `an incremental checkpoint takes no other graph:\n${lines.join('\n')}`,
    { hint: `go on with the old definition; or: ${convert}` },
  );
}

/** Streams to the attempt what it needs to go on, and lets it go. */
export async function feed(
  attempt: Attempt,
  recovery: Recovery | undefined,
  how: { readonly mode: 'run' | 'commit'; readonly backend: JobSettings['backend'] },
): Promise<void> {
  if (recovery !== undefined) {
    const kept = recovery.chain !== undefined;
    // Tables are found by the number that entries carry; dropped ones leave a gap that no entry names.
    const tables: Table[] = [];
    for (const table of withKeyTypes(recovery.tables, recovery.operators)) tables[table.id] = table;
    if (kept && how.mode === 'run') attempt.send({ type: 'adopt', tables: recovery.tables.flatMap(adopted) });
    attempt.send({ type: 'tables', tables, kept });
    const only = kept ? fedTables(recovery, how) : undefined;
    for await (const { payload, entries } of gather(recovery.blocks(only), RESTORE_BYTES))
      await attempt.restore(payload, entries);
  }
  const fromOrigin = recovery !== undefined && recovery.checkpoint === undefined;
  attempt.send({ type: 'go', beginning: { barrierTime: recovery?.barrierTime, fromOrigin } });
}

/** The disk backend reads keyed state in place, but for timers; committing needs no keyed state at all. */
function fedTables(
  { checkpoint, tables }: Recovery,
  { mode, backend }: { readonly mode: 'run' | 'commit'; readonly backend: JobSettings['backend'] },
): readonly number[] {
  const fed = tables.filter(({ kind }) => {
    // Those of an archive were committed before it was packed; they are not this job's.
    if (kind === 'transactions') return checkpoint !== undefined;
    if (!isKeyed(kind)) return true;
    return mode === 'run' && (backend === 'memory' || isTimer(kind));
  });
  return fed.map(({ id }) => id);
}

/** Timers are fed, and counted then. */
function adopted({ id, kind, subtasks, expiries }: ManifestTable): readonly AdoptedTable[] {
  return subtasks === undefined || isTimer(kind) ? [] : [{ id, subtasks, expiries }];
}

function isTimer(kind: string): boolean {
  return kind === 'timer' || kind === 'event-timer';
}
