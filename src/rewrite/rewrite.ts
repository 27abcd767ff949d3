/**
 * Makes an archive of an archive, with its state changed: offline, streaming, without the code of the job.
 *
 *     archive ─▶ checked ─▶ blocks of one table ─▶ filter ─▶ map ─▶ edits ─▶ re-key ─▶ sorted ─▶ canonical file
 *                                  drop, rename: what tables there are, and what they are called
 *
 * Invariants: all that is wrong with what is asked is told before anything is read; memory does not grow with the state,
 * nor with the edits; the input is only read; whatever fails, nothing stays behind; what is not asked for stays as it is,
 * lineage and barrier time included: they protect the sinks and what has a time to live.
 */
import type { ArchivePhase } from '../archive/canonicalize.js';
import { ArchiveDamaged } from '../archive/finding.js';
import { type ArchiveOutput, checkOutput } from '../archive/output.js';
import { type Archive, openArchive } from '../archive/read.js';
import type { Signer } from '../archive/sign.js';
import { coded, type PreparedArchive, writeArchive } from '../archive/write.js';
import type { Disk } from '../base/disk.js';
import { BytesDamaged } from '../codec/codec.js';
import { KeyRefused } from '../codec/key.js';
import type { Provenance } from '../format/provenance.js';
import type { SortLimits } from '../store/sort-buffer.js';
import { ChangeTables } from './change-tables.js';
import { EditTarget } from './edit-line.js';
import { Edits } from './edits.js';
import { Findings } from './findings.js';
import type { NameProblem } from './rename.js';
import { planRewrite, type RewritePlan, type RewriteRequest } from './rewrite-plan.js';
import { type RewriteReport, reportOf, Tallies } from './rewrite-report.js';
import type { EntryMapper, MappedTable } from './table-map.js';

/** `edits`: lines are read; entries are those of lines then. `read` comes only where nothing is written. */
export type RewritePhase = ArchivePhase | 'edits' | 'read';

export interface RewriteOptions {
  readonly disk: Disk;
  /** Path of any archive. */
  readonly input: string;
  /** Undefined to write nothing, and only say what would be. */
  readonly output: ArchiveOutput | undefined;
  /** A folder that is there, for temporary files: `*.tmp`. */
  readonly spoolFolder: string;
  /** Absent: what is written is not signed, whether the input is or not. */
  readonly sign?: Signer | undefined;
  readonly request: RewriteRequest;
  /** JSON lines that set entries and take them away. */
  readonly edits?: AsyncIterable<Uint8Array> | undefined;
  /** Starts what maps; called once where something is to be mapped, after the request was found right. */
  readonly startMapper: (tables: readonly MappedTable[]) => Promise<EntryMapper>;
  readonly nameProblem: NameProblem;
  /** What the new provenance says. */
  readonly reason: string | null;
  readonly toolVersion: string;
  /** Wall clock, milliseconds since 1970. */
  readonly now: number;
  readonly limits?: SortLimits;
  readonly onProgress?:
    | ((done: { readonly entries: number; readonly bytes: number }, phase: RewritePhase) => void)
    | undefined;
  /** Aborted, the work ends soon with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface Rewritten {
  /** The archive, complete but for its name; undefined where nothing was to be written. */
  readonly prepared: PreparedArchive | undefined;
  readonly provenance: Provenance;
  readonly report: RewriteReport;
}

/**
 * @throws USAGE, STATE_NOT_FOUND, KEY_NOT_FOUND with all that is wrong with the request or the edits; USER_CODE and the
 * other errors of maps; ARCHIVE_CORRUPT, SEGMENT_CORRUPT, FORMAT_NEWER, FILE_NOT_FOUND, FILE_EXISTS, DISK_FULL and the
 * disk's other errors.
 */
export async function rewriteArchive(options: RewriteOptions): Promise<Rewritten> {
  const archive = await openArchive(options.disk, options.input);
  const owned: Owned[] = [archive];
  try {
    return await rewriteOpen(archive, options, owned);
  } finally {
    for (const one of owned.reverse()) await one.close();
  }
}

interface Owned {
  close(): void | Promise<void>;
}

async function rewriteOpen(archive: Archive, options: RewriteOptions, owned: Owned[]): Promise<Rewritten> {
  const { disk, output, request, nameProblem, startMapper } = options;
  if (output !== undefined) await coded(() => checkOutput(disk, output));
  const findings = new Findings();
  const plan = planRewrite(archive.manifest, request, nameProblem, findings);
  const tallies = new Tallies(plan.tables);
  const changes = new ChangeTables(plan, tallies, findings);
  owned.push(changes);
  findings.throwIfAny(
    `${archive.path} cannot be changed so`,
    `look at what there is: tidemark inspect ${archive.path}`,
  );
  const edits = await readEdits(plan, archive, options);
  if (edits !== undefined) owned.push(edits);
  const mapped = mappedTables(plan);
  const mapper = mapped.length === 0 ? undefined : await startMapper(mapped);
  if (mapper !== undefined) owned.push(mapper);
  await checkMembers(archive, options);
  const blocks = translated(archive, changes.blocks(archive, edits, mapper, throwWrongEdits));
  const provenance = provenanceOf(archive, plan, options);
  const prepared =
    output === undefined ? undefined : await write(archive, plan, provenance, blocks, output, options);
  if (prepared === undefined) await drain(blocks, options);
  return { prepared, provenance, report: reportOf(plan, tallies, archive.manifest) };
}

function mappedTables({ tables }: RewritePlan): MappedTable[] {
  return tables.flatMap(({ table, operator, map }) =>
    table === undefined || map === undefined ? [] : [{ table, operator, file: map }],
  );
}

async function readEdits(
  plan: RewritePlan,
  { provenance }: Archive,
  { edits, signal, onProgress }: RewriteOptions,
): Promise<Edits | undefined> {
  if (edits === undefined) return undefined;
  const targets = plan.tables.flatMap(({ table, operator }) =>
    table === undefined ? [] : [new EditTarget(table, operator, provenance.barrierTime)],
  );
  const findings = new Findings();
  const read = await Edits.read(edits, targets, findings, (lines) => {
    signal?.throwIfAborted();
    onProgress?.({ entries: lines, bytes: 0 }, 'edits');
  });
  try {
    throwWrongEdits(findings);
    return read;
  } catch (error) {
    read.close();
    throw error;
  }
}

/** Also for what is found out only when all entries have been seen. */
function throwWrongEdits(findings: Findings): void {
  findings.throwIfAny(
    'the edits are wrong',
    'lines look as those of: tidemark inspect FILE --state uid.name --json',
  );
}

/** The digest of a native input names its bytes, and becomes the parent's: it must be true. */
async function checkMembers(archive: Archive, { onProgress, signal }: RewriteOptions): Promise<void> {
  let bytes = 0;
  await archive.checkMembers((count) => {
    signal?.throwIfAborted();
    bytes += count;
    onProgress?.({ entries: 0, bytes }, 'check');
  });
}

/** Bytes that are no entries are damage of the archive, wherever that shows. */
async function* translated<T>(archive: Archive, blocks: AsyncIterable<T>): AsyncGenerator<T, void> {
  try {
    yield* blocks;
  } catch (error) {
    if (!(error instanceof BytesDamaged || error instanceof KeyRefused)) throw error;
    throw new ArchiveDamaged(archive.path, { code: 'ENTRY', member: '', offset: 0, message: error.message });
  }
}

function provenanceOf(archive: Archive, plan: RewritePlan, options: RewriteOptions): Provenance {
  const { provenance } = archive;
  const { reason, toolVersion, now } = options;
  return {
    ...provenance,
    parallelism: Math.min(provenance.parallelism, plan.maxParallelism ?? provenance.parallelism),
    time: now,
    toolVersion,
    reason,
    parentDigest: archive.manifest.digest,
    ...(options.edits !== undefined || mappedTables(plan).length > 0 ? { edited: true } : {}),
    targets: provenance.targets.map(({ sink, target }) => ({ sink: plan.renames.operator(sink), target })),
  };
}

async function write(
  archive: Archive,
  plan: RewritePlan,
  provenance: Provenance,
  blocks: Parameters<typeof writeArchive>[0]['blocks'],
  output: ArchiveOutput,
  { disk, spoolFolder, sign, limits, onProgress, signal }: RewriteOptions,
): Promise<PreparedArchive> {
  return await writeArchive({
    disk,
    spoolFolder,
    operators: plan.operators,
    tables: plan.tables.flatMap(({ table }) => (table === undefined ? [] : [table])),
    kind: 'savepoint',
    drained: archive.manifest.drained,
    provenance,
    output,
    sign,
    blocks,
    onProgress,
    signal,
    ...(limits === undefined ? {} : { limits }),
  });
}

async function drain(
  blocks: AsyncIterable<{ readonly entries: number }>,
  { onProgress, signal }: RewriteOptions,
): Promise<void> {
  let done = 0;
  for await (const { entries } of blocks) {
    signal?.throwIfAborted();
    done += entries;
    onProgress?.({ entries: done, bytes: 0 }, 'read');
  }
}
