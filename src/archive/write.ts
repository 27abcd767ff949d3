/**
 * Makes archives: a savepoint from a snapshot's native blocks, or a checkpoint's own segments packed into a file.
 *
 *     writeArchive ─────── canonicalize ──────▶ spool ─┐
 *     writeArchiveOfRuns ─ canonicalizeRuns ──▶ spool ─┤
 *     packSegments ─────── segments of the home ───────┴─▶ temp file beside the output, fsynced ──▶ commit: its name
 *
 * Invariants: nothing is under the final name before `commit`, and everything durably after; whatever fails, no file
 * of ours stays behind; two snapshots of one state give the same bytes but for provenance and its line in the sums.
 */
import { createHash } from 'node:crypto';
import type { Disk } from '../base/disk.js';
import { systemCode, TidemarkError, toTidemarkError } from '../base/errors.js';
import {
  ARCHIVE_VERSION,
  type ArchiveManifest,
  capabilitiesOf,
  segmentMember,
} from '../format/archive-manifest.js';
import { nativeDigest, snapshotDigest } from '../format/digest.js';
import { isKeyed, type ManifestOperator, type ManifestTable } from '../format/manifest.js';
import type { Provenance } from '../format/provenance.js';
import { segmentPath } from '../format/segment.js';
import { RunReader } from '../store/run-reader.js';
import type { Payload, SortLimits } from '../store/sort-buffer.js';
import { type ArchivePhase, type CanonicalData, canonicalize, type OnProgress } from './canonicalize.js';
import { type CanonicalizeRunsOptions, canonicalizeRuns } from './canonicalize-runs.js';
import { type ArchiveOutput, checkOutput, prepareOutput } from './output.js';
import { type DataSource, packing } from './pack.js';
import type { Signer } from './sign.js';
import { snapshotCorrupt, type TableList, type TableShape, tableList } from './table-list.js';

const COPY_BYTES = 1024 * 1024;

interface CommonOptions {
  readonly disk: Disk;
  readonly operators: readonly ManifestOperator[];
  readonly kind: ArchiveManifest['kind'];
  readonly drained: boolean;
  readonly provenance: Provenance;
  readonly output: ArchiveOutput;
  /** Absent: the archive is not signed. */
  readonly sign?: Signer | undefined;
  readonly onProgress?: OnProgress | undefined;
  /** Aborted, the work ends soon with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

interface CanonicalOptions extends CommonOptions {
  /** A folder that is there, for temporary files: `*.tmp`. */
  readonly spoolFolder: string;
  /** The tables that entries name by `id`. */
  readonly tables: readonly TableShape[];
}

export interface WriteArchiveOptions extends CanonicalOptions {
  /**
   * Whole entries in any order, none twice. Entries of `transactions`, and those expired at the provenance's barrier
   * time, are left out. A payload need only be valid until the next is asked for.
   */
  readonly blocks: AsyncIterable<Payload>;
  readonly limits?: SortLimits;
}

export interface RunsArchiveOptions extends CanonicalOptions {
  /**
   * The sorted runs of a snapshot, oldest first; newest wins. Left out is the same as above. They are read until the
   * promise is settled; the caller closes them.
   */
  readonly runs: readonly RunReader[];
}

export interface PackOptions extends CommonOptions {
  readonly folder: string;
  /** Names of segments in `folder`, in the order they are read. */
  readonly segments: readonly { readonly name: string; readonly bytes: number }[];
  readonly tables: readonly ManifestTable[];
  readonly mode: ArchiveManifest['mode'];
  readonly backend: 'memory' | 'disk';
}

/** An archive that is complete but for its name. */
export interface PreparedArchive {
  readonly manifest: ArchiveManifest;
  readonly digest: string;
  /** Of the file. */
  readonly bytes: number;
  readonly entries: number;
  /** Gives it its name, or writes the stream. @throws FILE_EXISTS */
  commit(): Promise<void>;
  /** Gives it up and removes what was written; nothing after `commit`. To be called if `commit` rejects. */
  discard(): Promise<void>;
}

/**
 * A canonical archive from native blocks.
 * @throws SEGMENT_CORRUPT, FILE_EXISTS, DISK_FULL and the disk's other errors.
 */
export async function writeArchive(options: WriteArchiveOptions): Promise<PreparedArchive> {
  return await coded(() => writeCanonical(options));
}

async function writeCanonical(options: WriteArchiveOptions): Promise<PreparedArchive> {
  const { blocks, limits } = options;
  const given = limits === undefined ? {} : { limits };
  return await prepareCanonical(options, (common) => canonicalize({ ...common, blocks, ...given }));
}

/**
 * The same from sorted runs, without sorting again: byte for byte what `writeArchive` makes of their live entries.
 * @throws SEGMENT_CORRUPT, FILE_EXISTS, DISK_FULL and the disk's other errors.
 */
export async function writeArchiveOfRuns(options: RunsArchiveOptions): Promise<PreparedArchive> {
  const { runs } = options;
  return await coded(() => prepareCanonical(options, (common) => canonicalizeRuns({ ...common, runs })));
}

type CanonicalizeCommon = Omit<CanonicalizeRunsOptions, 'runs'>;

async function prepareCanonical(
  options: CanonicalOptions,
  canonical: (common: CanonicalizeCommon) => Promise<CanonicalData>,
): Promise<PreparedArchive> {
  const { disk, provenance, output, onProgress, signal, spoolFolder } = options;
  await checkOutput(disk, output);
  const list = tableList(options.operators, options.tables);
  const data = await canonical({
    disk,
    spoolFolder,
    list,
    expiredAt: provenance.barrierTime,
    onProgress,
    signal,
  });
  const draft = canonicalManifest(options, list, data);
  const starts = data.tables.flatMap(({ member }) => (member === undefined ? [] : [member.offset]));
  const source: DataSource = (member) =>
    copyOf(draft.members[member]?.length ?? 0, (into, at) =>
      data.spool.read(into, (starts[member] ?? 0) + at),
    );
  return await prepare(options, draft, source, () => data.spool.remove());
}

/**
 * A native archive: a checkpoint's segments, as they are.
 * @throws SEGMENT_CORRUPT when one is not what its name says.
 */
export async function packSegments(options: PackOptions): Promise<PreparedArchive> {
  return await coded(() => packNative(options));
}

async function packNative(given: PackOptions): Promise<PreparedArchive> {
  const { disk, folder } = given;
  await checkOutput(disk, given.output);
  const options = await withoutRepeats(given);
  const { segments } = options;
  const source: DataSource = async function* (member) {
    const { name, bytes } = segments[member] ?? { name: '', bytes: 0 };
    const file = await disk.open(segmentPath(folder, name));
    const hash = createHash('sha256');
    try {
      for await (const piece of copyOf(bytes, (into, at) => fill(file.read.bind(file), into, at, name))) {
        hash.update(piece);
        yield piece;
      }
    } finally {
      await file.close();
    }
    if (hash.digest('hex') !== name)
      throw snapshotCorrupt(`segment ${name} is another file than its name says`);
  };
  return await prepare(options, nativeManifest(options), source, async () => undefined);
}

async function prepare(
  options: CommonOptions,
  draft: ArchiveManifest,
  source: DataSource,
  release: () => Promise<void>,
): Promise<PreparedArchive> {
  const { disk, provenance, output, onProgress, signal } = options;
  try {
    const packed = packing(draft, provenance, source, options.sign);
    const phase: ArchivePhase = 'pack';
    let bytes = 0;
    const prepared = await prepareOutput(disk, output, packed, (count) => {
      signal?.throwIfAborted();
      bytes += count;
      onProgress?.({ entries: draft.entries, bytes }, phase);
    });
    // A file has taken its bytes over; a stream still needs them.
    if ('path' in output) await release();
    const { manifest } = packed;
    return {
      manifest,
      digest: manifest.digest,
      bytes: packed.bytes,
      entries: manifest.entries,
      async commit() {
        await ('path' in output ? coded(() => prepared.commit()) : prepared.commit());
        await release();
      },
      async discard() {
        await coded(() => prepared.discard());
        await release();
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}

function canonicalManifest(options: CommonOptions, list: TableList, data: CanonicalData): ArchiveManifest {
  const digests = data.tables.map(({ digest }) => digest);
  const tables = list.tables.map(({ slots: _, ...table }, i) => ({
    ...table,
    entries: data.tables[i]?.entries ?? 0,
    bytes: data.tables[i]?.bytes ?? 0,
  }));
  return {
    formatVersion: ARCHIVE_VERSION,
    kind: options.kind,
    layout: 'canonical',
    mode: 'full',
    backend: null,
    drained: options.drained,
    capabilities: capabilitiesOf('canonical', 'full'),
    digest: snapshotDigest(list.operators, list.tables, digests),
    operators: list.operators.map((operator) => ({
      ...operator,
      watermark: data.watermarks.get(operator.uid) ?? null,
    })),
    tables,
    members: data.tables.flatMap(({ member }) => (member === undefined ? [] : [member])),
    ...totals(tables),
  };
}

/**
 * Equal changes make equal runs, so that a chain may name one twice. The newer hides all that the older says, which is
 * left out, and its bytes are with it.
 */
async function withoutRepeats(options: PackOptions): Promise<PackOptions> {
  const { disk, folder } = options;
  const last = new Map(options.segments.map(({ name }, place) => [name, place]));
  if (last.size === options.segments.length) return options;
  // Of other tables only the last run is counted.
  const keyed = options.tables.filter(({ kind }) => isKeyed(kind));
  const bytes = new Map(keyed.map((table) => [table.id, table.bytes]));
  const segments: PackOptions['segments'][number][] = [];
  for (const [place, segment] of options.segments.entries()) {
    if (last.get(segment.name) === place) segments.push(segment);
    else {
      const run = await RunReader.openFile(disk, folder, segment.name);
      for (const stats of run.tables) {
        const counted = bytes.get(stats.table);
        if (counted !== undefined) bytes.set(stats.table, counted - stats.bytes);
      }
      await run.close();
    }
  }
  const tables = options.tables.map((table) => ({ ...table, bytes: bytes.get(table.id) ?? table.bytes }));
  return { ...options, segments, tables };
}

function nativeManifest(options: PackOptions): ArchiveManifest {
  const { kind, drained, operators, tables, segments, mode, backend } = options;
  if (tables.some(({ id }, place) => id !== place))
    throw new TidemarkError('INTERNAL', 'tables of a native archive are numbered in their order');
  return {
    formatVersion: ARCHIVE_VERSION,
    kind,
    layout: 'native',
    mode,
    backend,
    drained,
    capabilities: capabilitiesOf('native', mode),
    digest: nativeDigest(segments.map(({ name }) => name)),
    operators: operators.map((operator) => ({ ...operator, watermark: null })),
    tables,
    members: segments.map(({ name, bytes }) => ({
      name: segmentMember(name),
      offset: 0,
      length: bytes,
      sha256: name,
    })),
    ...totals(tables),
  };
}

function totals(tables: readonly ManifestTable[]): { readonly entries: number; readonly bytes: number } {
  return {
    entries: tables.reduce((sum, { entries }) => sum + entries, 0),
    bytes: tables.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** Gives it its name, unless a signal has come in between; whatever fails, nothing of it stays. */
export async function nameArchive(
  prepared: Pick<PreparedArchive, 'commit' | 'discard'>,
  signal: AbortSignal,
): Promise<void> {
  try {
    signal.throwIfAborted();
    await prepared.commit();
  } catch (error) {
    await prepared.discard();
    throw error;
  }
}

/** A disk's errors with our codes, for all but a stream, whose errors are the caller's. */
export async function coded<T>(act: () => Promise<T>, doing = 'writing an archive'): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw systemCode(error) === undefined ? error : toTidemarkError(error, doing);
  }
}

/** `length` bytes in pieces of one buffer. */
async function* copyOf(
  length: number,
  read: (into: Uint8Array, at: number) => Promise<void>,
): AsyncGenerator<Uint8Array, void> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(COPY_BYTES, length));
  for (let at = 0; at < length; at += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, length - at));
    await read(piece, at);
    yield piece;
  }
}

async function fill(
  read: (into: Uint8Array, offset: number) => Promise<number>,
  into: Uint8Array,
  offset: number,
  segment: string,
): Promise<void> {
  for (let at = 0; at < into.length; ) {
    const count = await read(into.subarray(at), offset + at);
    if (count === 0) throw snapshotCorrupt(`segment ${segment} ends too early`);
    at += count;
  }
}
