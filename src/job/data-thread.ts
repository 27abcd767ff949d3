/**
 * The data thread: loads a job's bundle, runs its dataflow, and speaks with the main thread (protocol.ts).
 *
 * User code runs here and nowhere else. Whatever it does, this thread either tells the main thread how it failed,
 * or falls silent and is ended by it; neither costs state, which is on disk and in the main thread's hands.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { assert, present } from '../base/assert.js';
import { systemClock } from '../base/clock.js';
import { type Deferred, deferred } from '../base/deferred.js';
import { TidemarkError, toTidemarkError } from '../base/errors.js';
import { realDisk, realSyncDisk } from '../base/real-disk.js';
import { ByteReader } from '../codec/reader.js';
import { readEntry } from '../format/entry.js';
import type { Definition } from '../graph/definition.js';
import type { Graph } from '../graph/node.js';
import { resolveParams } from '../graph/param.js';
import type { StandardInput } from '../graph/source.js';
import type { BackendFactory } from '../runtime/compile.js';
import { type Beginning, Dataflow } from '../runtime/dataflow.js';
import { userMessage } from '../runtime/show.js';
import type { ReadLimit } from '../runtime/source.js';
import { Where } from '../runtime/where.js';
import { createMemoryBackend } from '../state/memory/backend.js';
import type { EntryCheck } from './check-entries.js';
import { guardOutput } from './console-guard.js';
import { DataLoop } from './data-loop.js';
import { graphFacts } from './graph-facts.js';
import { installLibrary } from './library.js';
import { definitionError, loadDefinition } from './load-definition.js';
import {
  type DataThreadData,
  DRAIN_CHUNKS_OUT,
  type FromData,
  type InputAnswer,
  type InputAsk,
  type ToData,
} from './protocol.js';
import { type StateOnDisk, StateWriter } from './state-writer.js';
import { userFrame } from './user-frame.js';

/** What is heard also while the disk backend takes no more entries. */
const MAKES_ROOM: ReadonlySet<ToData['type']> = new Set(['buffer', 'runs', 'written', 'abort-checkpoint']);
/** How long user code may take to let go of what it holds after a failure. */
const CLOSE_MS = 2000;

assert(!isMainThread, 'the data thread is a worker');
const port = present(parentPort, 'the port of a worker');
const data = workerData as DataThreadData;
const where = new Where(data.where);

const send = (message: FromData, transfer: readonly ArrayBuffer[] = []) =>
  port.postMessage(message, [...transfer]);
const output = guardOutput((stream, text) => send({ type: 'output', stream, text }));

/** Prints that the main thread has not yet written. */
const printing = new Map<number, { resolve(): void; reject(error: Error): void }>();
let prints = 0;
/** Asked of standard input, and not yet answered. */
const asking = new Map<number, Deferred<InputAnswer>>();
let asks = 0;
const early: ToData[] = [];
let heard: (() => void) | undefined;
let loop: DataLoop | undefined;
let failed = false;

port.on('message', (message: ToData) => {
  if (message.type === 'printed') printed(message.id, message.error);
  else if (message.type === 'input') answered(message.id, message.answer);
  else if (loop !== undefined) loop.command(message);
  else {
    early.push(message);
    heard?.();
  }
});
process.on('uncaughtException', (error) => {
  const outside = new TidemarkError('USER_CODE', `outside of any callback: ${userMessage(error)}`, {
    cause: error,
  });
  if (loop === undefined) fail(outside);
  else loop.fail(outside);
});

main()
  .catch(fail)
  .finally(() => send({ type: 'closed' }));

async function main(): Promise<void> {
  await installLibrary();
  where.enter();
  const definition = await loadDefinition(data.bundle);
  const graph = graphOf(definition);
  where.leave();
  const disk = data.backend === 'disk' ? await stateOnDisk() : undefined;
  const checking = data.mode === 'check' ? await import('./check-entries.js') : undefined;
  const dataflow = build(graph, checking?.backendFor(graph) ?? disk?.create ?? createMemoryBackend);
  send({ type: 'described', facts: graphFacts(graph, dataflow, data.cwd) });
  const writer = new StateWriter({ dataflow, snapshots: data.snapshots, disk, send });
  const check = checking === undefined ? undefined : new checking.EntryCheck(dataflow, graph, where);
  const beginning = await restore(dataflow, writer, check);
  if (data.mode === 'run') await run(dataflow, writer, beginning);
  else if (data.mode === 'check' && data.liveSinks)
    send({ type: 'ahead', sinks: await dataflow.aheadOfSnapshot() });
  else if (data.mode === 'commit') await dataflow.recoverSinks({ writers: false, fromOrigin: false });
  where.enter();
  await dataflow.close();
  where.leave();
  output.close();
}

function graphOf(definition: Definition): Graph {
  const params = resolveParams(definition.params, data.params, process.env);
  try {
    return definition.build(params);
  } catch (error) {
    throw definitionError(error, 'building its dataflow');
  }
}

/** Loaded only by jobs that keep state on disk. */
async function stateOnDisk(): Promise<StateOnDisk & { readonly create: BackendFactory }> {
  const { DiskState } = await import('../state/disk/disk-state.js');
  return new DiskState({ disk: realSyncDisk, folder: data.segments, cacheBytes: data.cache });
}

function build(graph: Graph, backend: BackendFactory): Dataflow {
  const { job, attempt, cwd, parallelism, maxParallelism, liveSinks, rewind, lineage } = data;
  const log = (text: string) => send({ type: 'log', text });
  const alive = () => where.renew();
  return new Dataflow({
    graph,
    parallelism,
    maxParallelism,
    backend,
    snapshots: data.snapshots,
    context: {
      ...{ cwd, disk: realDisk, clock: systemClock, job, attempt, lineage, log, stdout: print, alive },
      stdin: data.stdin === true ? stdin : undefined,
    },
    where,
    liveSinks,
    rewind,
    limit: data.limit === undefined ? undefined : limitOf(data.limit),
    wake: () => loop?.wake(),
  });
}

function limitOf({ elements, skip }: NonNullable<DataThreadData['limit']>): ReadLimit {
  const skipped = new Set(skip);
  return { elements, skips: (source, split) => skipped.has(JSON.stringify([source, split])) };
}

/** Takes entries until the main thread says go; those of a check are only looked at. */
async function restore(
  dataflow: Dataflow,
  writer: StateWriter,
  check: EntryCheck | undefined,
): Promise<Beginning> {
  let tables = dataflow.tables;
  let kept = false;
  for (;;) {
    // While memory is full, only what makes room goes ahead.
    const next = early.findIndex(({ type }) => !writer.full || MAKES_ROOM.has(type));
    const message = early[next];
    if (message === undefined) {
      if (writer.flushing) writer.sliceFlush(() => writer.pool.out >= DRAIN_CHUNKS_OUT);
      if (writer.flushing && writer.pool.out < DRAIN_CHUNKS_OUT) continue;
      await new Promise<void>((resolve) => {
        heard = resolve;
      });
      continue;
    }
    early.splice(next, 1);
    if (message.type === 'go') return message.beginning;
    if (message.type === 'tables') {
      ({ tables, kept } = message);
    } else if (message.type === 'entries-end') {
      send({ type: 'checked', found: await present(check, 'a check').found() });
    } else if (!writer.hear(message)) {
      assert(message.type === 'restore', `a ${message.type} before go`);
      const reader = new ByteReader(
        Buffer.from(message.payload.buffer, message.payload.byteOffset, message.payload.length),
      );
      // Schemas and their steps are user code: what never returns is found by the check, before a job restores it.
      if (check !== undefined) where.enter();
      for (let i = 0; i < message.entries; i++) {
        const entry = readEntry(reader);
        if (check === undefined) dataflow.restore(entry, tables, kept);
        else check.take(entry, tables);
      }
      if (check !== undefined) where.leave();
      send({ type: 'restored' });
      writer.maybeFlush();
    }
  }
}

async function run(dataflow: Dataflow, writer: StateWriter, beginning: Beginning): Promise<void> {
  const { attempt: epoch, liveSinks, metricsEvery } = data;
  const flushOutput = () => output.flush();
  loop = new DataLoop({
    dataflow,
    writer,
    where,
    clock: systemClock,
    epoch,
    liveSinks,
    metricsEvery,
    send,
    flushOutput,
  });
  for (const message of early.splice(0)) loop.command(message);
  try {
    await dataflow.open(beginning);
    send({ type: 'running' });
    await loop.run();
  } catch (error) {
    fail(error);
    await Promise.race([dataflow.close().catch(() => undefined), systemClock.sleep(CLOSE_MS)]);
    throw error;
  }
}

/** Tells the main thread once what went wrong, with the line of the user's source where there is one. */
function fail(error: unknown): void {
  if (failed) return;
  failed = true;
  output.flush();
  const coded = where.failure ?? toTidemarkError(error);
  const cause = coded.details.cause ?? error;
  const frame = cause instanceof TidemarkError ? undefined : userFrame(cause);
  send({ type: 'failed', error: { ...coded.toRecord(), ...(frame === undefined ? {} : frame) } });
}

const stdin: StandardInput = {
  async open(place) {
    const answer = await asked({ open: place });
    return present('start' in answer ? answer.start : undefined, 'where to read on');
  },
  async read(request) {
    const answer = await asked({ read: request });
    return 'bytes' in answer ? answer.bytes : undefined;
  },
};

async function asked(ask: InputAsk): Promise<InputAnswer> {
  const id = ++asks;
  const waiting = deferred<InputAnswer>();
  asking.set(id, waiting);
  send({ type: 'ask-input', id, ask });
  const answer = await waiting.promise;
  if ('error' in answer) throw new TidemarkError('SOURCE_FAILED', `standard input: ${answer.error}`);
  return answer;
}

function answered(id: number, answer: InputAnswer): void {
  asking.get(id)?.resolve(answer);
  asking.delete(id);
}

function print(text: string): Promise<void> {
  const id = ++prints;
  send({ type: 'print', id, text });
  return new Promise((resolve, reject) => printing.set(id, { resolve, reject }));
}

function printed(id: number, error: string | undefined): void {
  const waiting = printing.get(id);
  printing.delete(id);
  if (error === undefined) waiting?.resolve();
  else waiting?.reject(new TidemarkError('DISK_ERROR', `standard output: ${error}`));
}
