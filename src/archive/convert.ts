/**
 * Rewrites a native archive as a savepoint, offline: from its bytes alone, without the definition's code.
 *
 *     openArchive ─▶ members held against their hashes ─┬─ sorted runs ─▶ merged, newest wins ─┐
 *                                                       └─ one unsorted segment ─▶ sorted ─────┴─▶ canonical file
 *
 * Invariants: the digest of the result is that of a savepoint taken at the same barrier; memory does not grow with
 * the state; the input is only read; whatever fails, nothing stays behind.
 */
import type { Disk } from '../base/disk.js';
import { TidemarkError } from '../base/errors.js';
import type { Provenance } from '../format/provenance.js';
import type { SortLimits } from '../store/sort-buffer.js';
import type { OnProgress } from './canonicalize.js';
import { type ArchiveOutput, checkOutput } from './output.js';
import { type Archive, openArchive } from './read.js';
import type { Signer } from './sign.js';
import { coded, type PreparedArchive, writeArchive, writeArchiveOfRuns } from './write.js';

export interface ConvertOptions {
  readonly disk: Disk;
  /** Path of a native archive. */
  readonly input: string;
  readonly output: ArchiveOutput;
  /** A folder that is there, for temporary files: `*.tmp`. */
  readonly spoolFolder: string;
  /** Absent: the savepoint is not signed, whether the input is or not. */
  readonly sign?: Signer | undefined;
  readonly limits?: SortLimits;
  readonly onProgress?: OnProgress | undefined;
  /** Aborted, the work ends soon with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A savepoint that is complete but for its name. */
export interface Converted extends PreparedArchive {
  /** The input's, with the input's digest as that of the parent. */
  readonly provenance: Provenance;
}

/**
 * Transactions are left out, as in every savepoint: who packed the archive has committed them.
 * @throws ALREADY_CANONICAL when there is nothing to convert; ARCHIVE_CORRUPT, SEGMENT_CORRUPT, FORMAT_NEWER,
 * FILE_NOT_FOUND, FILE_EXISTS, DISK_FULL and the disk's other errors.
 */
export async function convertArchive(options: ConvertOptions): Promise<Converted> {
  const archive = await openArchive(options.disk, options.input);
  try {
    refuseCanonical(archive);
    await coded(() => checkOutput(options.disk, options.output));
    await checkMembers(archive, options);
    return await rewrite(archive, options);
  } finally {
    await archive.close();
  }
}

function refuseCanonical({ manifest, path }: Archive): void {
  if (manifest.layout === 'native') return;
  throw new TidemarkError(
    'ALREADY_CANONICAL',
    `${path} is a ${manifest.kind} in the canonical layout already`,
    {
      hint: `use it as it is: tidemark restore ${path}`,
    },
  );
}

/** The digest of the input names these bytes: it becomes the parent's, so it must be true. */
async function checkMembers(archive: Archive, { onProgress, signal }: ConvertOptions): Promise<void> {
  let bytes = 0;
  await archive.checkMembers((count) => {
    signal?.throwIfAborted();
    bytes += count;
    onProgress?.({ entries: 0, bytes }, 'check');
  });
}

async function rewrite(archive: Archive, options: ConvertOptions): Promise<Converted> {
  const { disk, output, spoolFolder, sign, limits, onProgress, signal } = options;
  const { operators, tables, drained, digest } = archive.manifest;
  const provenance: Provenance = { ...archive.provenance, parentDigest: digest };
  const common = {
    disk,
    operators,
    tables,
    kind: 'savepoint',
    drained,
    provenance,
    output,
    sign,
    spoolFolder,
    onProgress,
    signal,
  } as const;
  const chain = await archive.chain();
  const written =
    chain === undefined
      ? writeArchive({ ...common, blocks: archive.blocks(), ...(limits === undefined ? {} : { limits }) })
      : writeArchiveOfRuns({ ...common, runs: await chain.readers() });
  return { ...(await written), provenance };
}
