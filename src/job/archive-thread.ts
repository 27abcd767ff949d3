/**
 * The archive thread: turns the segments of a completed checkpoint into a savepoint's archive, beside the job.
 * Sorting and compressing take seconds; neither the data thread nor the main thread must wait for them.
 *
 *     main: started with ArchiveTaskData        thread: progress* ─ written
 *     main: commit or discard                   thread: committed or discarded, then gone
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { signerOf } from '../archive/sign.js';
import { type PreparedArchive, writeArchive, writeArchiveOfRuns } from '../archive/write.js';
import { assert, present } from '../base/assert.js';
import { type ErrorRecord, toTidemarkError } from '../base/errors.js';
import { realDisk } from '../base/real-disk.js';
import type { Manifest } from '../format/manifest.js';
import type { Provenance } from '../format/provenance.js';
import { SegmentReader } from '../format/segment.js';
import { RunReader } from '../store/run-reader.js';
import { readKeyFile } from './key-file.js';

export interface ArchiveTaskData {
  readonly segments: readonly string[];
  readonly segmentFolder: string;
  readonly spoolFolder: string;
  /** Of the checkpoint. */
  readonly manifest: Manifest;
  readonly provenance: Provenance;
  readonly drained: boolean;
  readonly output: string;
  readonly force: boolean;
  /** Path of the private key that signs it. */
  readonly sign: string | undefined;
}

export type FromArchiveThread =
  | { readonly type: 'progress'; readonly phase: string; readonly entries: number; readonly bytes: number }
  | { readonly type: 'written'; readonly digest: string; readonly bytes: number; readonly entries: number }
  | { readonly type: 'committed' }
  | { readonly type: 'discarded' }
  | { readonly type: 'failed'; readonly error: ErrorRecord };

export type ToArchiveThread = 'commit' | 'discard';

assert(!isMainThread, 'the archive thread is a worker');
const port = present(parentPort, 'the port of a worker');
const data = workerData as ArchiveTaskData;
const send = (message: FromArchiveThread) => port.postMessage(message);

main().catch((error: unknown) => {
  send({ type: 'failed', error: toTidemarkError(error, `writing ${data.output}`).toRecord() });
  port.close();
});

async function main(): Promise<void> {
  const written = await write();
  const { digest, bytes, entries } = written;
  const verdict = new Promise<ToArchiveThread>((resolve) => port.once('message', resolve));
  send({ type: 'written', digest, bytes, entries });
  if ((await verdict) === 'commit') {
    try {
      await written.commit();
    } catch (error) {
      await written.discard();
      throw error;
    }
    send({ type: 'committed' });
  } else {
    await written.discard();
    send({ type: 'discarded' });
  }
  port.close();
}

async function write(): Promise<PreparedArchive> {
  const { operators, tables, mode, backend } = data.manifest;
  const options = {
    disk: realDisk,
    spoolFolder: data.spoolFolder,
    tables,
    operators,
    kind: 'savepoint' as const,
    drained: data.drained,
    provenance: data.provenance,
    output: { path: data.output, force: data.force },
    sign: data.sign === undefined ? undefined : signerOf(readKeyFile(data.sign), data.sign),
    onProgress: (done: { readonly entries: number; readonly bytes: number }, phase: string) =>
      send({ type: 'progress', phase, ...done }),
  };
  // The disk backend and incremental checkpoints write sorted runs.
  if (mode === 'full' && backend === 'memory') return await writeArchive({ ...options, blocks: blocks() });
  const runs: RunReader[] = [];
  try {
    for (const name of data.segments) runs.push(await RunReader.openFile(realDisk, data.segmentFolder, name));
    return await writeArchiveOfRuns({ ...options, runs });
  } finally {
    for (const run of runs) await run.close();
  }
}

async function* blocks() {
  for (const name of data.segments) {
    const reader = await SegmentReader.open(realDisk, data.segmentFolder, name);
    try {
      yield* reader.blocks({ reuse: true });
    } finally {
      await reader.close();
    }
  }
}
