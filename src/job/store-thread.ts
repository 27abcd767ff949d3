/**
 * The store thread: sorts what the data thread drained into runs, and merges runs in the background. Neither the data
 * thread nor the main thread must wait for that.
 *
 * Invariants: deltas go before merges, which pause while one is finished; a file gets its name only once the main
 * thread has leased it in the catalog.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { assert, present } from '../base/assert.js';
import { TidemarkError, toTidemarkError } from '../base/errors.js';
import { failpoint } from '../base/failpoint.js';
import { realDisk } from '../base/real-disk.js';
import { DeltaWriter } from '../store/delta-writer.js';
import { mergeRuns } from '../store/merge.js';
import { RunReader } from '../store/run-reader.js';
import { RunWriter } from '../store/run-writer.js';
import { SORT_ENTRIES } from '../store/sort-buffer.js';
import {
  type FromStoreThread,
  MERGE,
  type MergeRequest,
  type Run,
  type StoreThreadData,
  type ToStoreThread,
} from './store-protocol.js';

/** Sorted at a time, at most: a flush of the default cache is one run, and not three that are to be merged. */
const DELTA_BYTES = 32 * 1024 * 1024;

assert(!isMainThread, 'the store thread is a worker');
const port = present(parentPort, 'the port of a worker');
const { folder, unkeyed } = workerData as StoreThreadData;

const leases = new Map<number, { resolve(): void; reject(error: TidemarkError): void }>();
let leasesAsked = 0;
const deltas = new Map<number, Delta>();
let merging: AbortController | undefined;
/** Settles with the last merge. */
let merged: Promise<void> = Promise.resolve();

interface Delta {
  readonly writer: DeltaWriter;
  /** Chunks are taken one after another. */
  queue: Promise<void>;
  failure: unknown;
}

/** While a delta is finished, which a checkpoint waits for: merges wait for it. */
let quiet: Promise<void> | undefined;

port.on('message', (message: ToStoreThread) => hear(message));

function hear(message: ToStoreThread): void {
  switch (message.type) {
    case 'begin':
      return begin(message.id);
    case 'chunk':
      return chunk(message.id, message.bytes, message.used, message.entries);
    case 'finish':
      return answer(message.call, () => finish(message.id));
    case 'discard':
      return answer(message.call, () => discard(message.id));
    case 'merge': {
      const work = merge(message.request);
      merged = work.then(
        () => undefined,
        () => undefined,
      );
      return answer(message.call, () => work);
    }
    case 'stop-merge':
      return merging?.abort(new TidemarkError('CHECKPOINT_FAILED', 'the merge was given up'));
    case 'describe':
      return answer(message.call, () => describe(message.names));
    case 'leased': {
      const waiting = leases.get(message.lease);
      leases.delete(message.lease);
      if (message.error === undefined) waiting?.resolve();
      else waiting?.reject(TidemarkError.fromRecord(message.error));
      return;
    }
    case 'close':
      void close();
      return;
  }
}

function answer(call: number, act: () => Promise<readonly Run[]>): void {
  act().then(
    (runs) => send({ type: 'done', call, runs }),
    (error: unknown) =>
      send({ type: 'failed', call, error: toTidemarkError(error, 'writing state').toRecord() }),
  );
}

function begin(id: number): void {
  const limits = { bytes: DELTA_BYTES, entries: SORT_ENTRIES };
  const writer = new DeltaWriter({
    disk: realDisk,
    folder,
    unkeyed,
    limits,
    register: (run) => register(id, run),
  });
  deltas.set(id, { writer, queue: Promise.resolve(), failure: undefined });
}

function chunk(id: number, bytes: Uint8Array, used: number, entries: number): void {
  const delta = deltas.get(id);
  if (delta === undefined) return give(bytes);
  delta.queue = delta.queue
    .then(() => (delta.failure === undefined ? delta.writer.add(bytes, used, entries) : undefined))
    .catch((error: unknown) => {
      delta.failure ??= error;
    })
    .then(() => give(bytes));
}

async function finish(id: number): Promise<readonly Run[]> {
  const delta = present(deltas.get(id), `delta ${id}`);
  const turn: { done?: () => void } = {};
  quiet = new Promise((resolve) => {
    turn.done = resolve;
  });
  try {
    await delta.queue;
    if (delta.failure !== undefined) throw delta.failure;
    failpoint('delta-before-finish');
    return (await delta.writer.finish()).map(runOf);
  } catch (error) {
    await delta.writer.discard();
    throw error;
  } finally {
    deltas.delete(id);
    quiet = undefined;
    turn.done?.();
  }
}

async function discard(id: number): Promise<readonly Run[]> {
  const delta = deltas.get(id);
  if (delta === undefined) return [];
  deltas.delete(id);
  await delta.queue;
  await delta.writer.discard();
  return [];
}

async function merge({ inputs, bottom, whole, expiredAt }: MergeRequest): Promise<readonly Run[]> {
  const abort = new AbortController();
  merging = abort;
  const readers: RunReader[] = [];
  let out: RunWriter | undefined;
  try {
    for (const name of inputs) readers.push(await RunReader.openFile(realDisk, folder, name));
    out = await RunWriter.create(realDisk, folder);
    await mergeRuns(readers, out, {
      unkeyed,
      keepUnkeyed: whole ? 'last' : 'none',
      dropTombstones: bottom,
      expiredAt: BigInt(expiredAt),
      // What a person waits for does not wait for itself.
      pause: () => (whole ? undefined : quiet),
      signal: abort.signal,
    });
    failpoint('merge-before-finish');
    return [runOf(await out.finish((run) => register(MERGE, run)))];
  } catch (error) {
    await out?.discard();
    throw error;
  } finally {
    if (merging === abort) merging = undefined;
    for (const reader of readers) await reader.close();
  }
}

/** Gives up what is under way, so that no temporary file stays. */
async function close(): Promise<void> {
  merging?.abort(new TidemarkError('CHECKPOINT_FAILED', 'the attempt ended'));
  for (const id of [...deltas.keys()]) await discard(id).catch(() => undefined);
  await merged;
  port.close();
}

async function describe(names: readonly string[]): Promise<readonly Run[]> {
  const runs: Run[] = [];
  for (const name of names) {
    const reader = await RunReader.openFile(realDisk, folder, name);
    runs.push({ name, bytes: reader.bytes, tables: reader.tables });
    await reader.close();
  }
  return runs;
}

function runOf({ name, bytes, tables }: Run): Run {
  return { name, bytes, tables };
}

function register(owner: number, { name, bytes }: Pick<Run, 'name' | 'bytes'>): Promise<void> {
  const lease = ++leasesAsked;
  send({ type: 'lease', lease, owner, name, bytes });
  return new Promise((resolve, reject) => leases.set(lease, { resolve, reject }));
}

function give(bytes: Uint8Array): void {
  // As it came: memory of its own, that can change hands.
  send({ type: 'taken', bytes }, [bytes.buffer as ArrayBuffer]);
}

function send(message: FromStoreThread, transfer: readonly ArrayBuffer[] = []): void {
  port.postMessage(message, [...transfer]);
}
