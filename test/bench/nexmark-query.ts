/**
 * One query of Nexmark in a thread of its own, as a job has one: what an event costs, in turns with the same events and
 * nothing done to them; and what is written of its state.
 *
 *     bare, query, bare, query, …      events made before, one split, parallelism 1, memory; what reaches the sink is dropped
 *     full │ a tenth more │ changes    the bytes of both checkpoints
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Generator } from '../../fixtures/jobs/nexmark/generator.js';
import type { Event } from '../../fixtures/jobs/nexmark/types.js';
import { systemClock } from '../../src/base/clock.js';
import { schema } from '../../src/codec/schema.js';
import { EntryWriter } from '../../src/format/entry.js';
import { defineSource } from '../../src/graph/define-source.js';
import type { Definition } from '../../src/graph/definition.js';
import type { Graph } from '../../src/graph/node.js';
import { resolveParams } from '../../src/graph/param.js';
import type { SourceSpec } from '../../src/graph/source.js';
import { Dataflow } from '../../src/runtime/dataflow.js';
import { Where } from '../../src/runtime/where.js';
import type { BackendOptions } from '../../src/state/backend.js';
import { createMemoryBackend } from '../../src/state/memory/backend.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import { median } from './figure.js';
import { anyPosition, BATCH } from './jobs/input.js';

export interface QueryRequest {
  readonly query: string;
  readonly events: number;
  readonly rounds: number;
}

export interface QueryReport {
  /** Nanoseconds an event. */
  readonly generated: number;
  readonly bare: number;
  readonly query: number;
  /** Of query by bare, a round each. */
  readonly ratios: readonly number[];
  /** Undefined for a query without state. */
  readonly state: { readonly entries: number; readonly full: number; readonly changes: number } | undefined;
}

/** `events` is a whole number of tens of batches. */
const { query, events, rounds }: QueryRequest = workerData;
const WARM_UP = 1;
const CHUNK = 1024 * 1024;
const MAX_PARALLELISM = 128;
const START = Date.UTC(2015, 6, 14, 23, 59);

const generator = new Generator({ seed: 1, start: START, pace: 1000, disorder: 500 });
/** A tenth more than are timed. */
const most = Math.round(1.1 * events);
const all = Array.from({ length: most }, (_, n) => generator.event(n));
const generated = timeGenerator();
const batches: Event[][] = [];
for (let from = 0; from < most; from += BATCH) batches.push(all.slice(from, from + BATCH));

/** Nanoseconds an event, once it is compiled. */
function timeGenerator(): number {
  const from = performance.now();
  for (let n = 0; n < events; n++) generator.event(n);
  return ((performance.now() - from) * 1e6) / events;
}

const prepared = defineSource({
  position: schema(anyPosition),
  splits: () => [{ id: 'all', start: { done: 0 } }],
  async *read() {
    for (const [done, elements] of batches.entries()) yield { elements, position: { done: done + 1 } };
  },
}) as SourceSpec<unknown, unknown>;

/** The query's graph, reading what was prepared. */
async function queryGraph(): Promise<Graph> {
  const module: { readonly default: Definition } = await import(`../../fixtures/jobs/nexmark/${query}.js`);
  const { nodes } = module.default.build(resolveParams(module.default.params, {}, {}));
  return { nodes: nodes.map((node) => (node.kind === 'source' ? { ...node, source: prepared } : node)) };
}

/** The same source and its timestamps, and a sink. */
function bareGraph({ nodes }: Graph): Graph {
  const [source, assign] = nodes;
  const sink = nodes.find((node) => node.kind === 'sink');
  if (source?.kind !== 'source' || assign?.kind !== 'assign' || sink === undefined)
    throw new Error(`${query} does not begin with the events and their timestamps`);
  return { nodes: [source, assign, { ...sink, id: 2, input: assign.id }] };
}

async function opened(graph: Graph, snapshots: BackendOptions['snapshots']): Promise<Dataflow> {
  const dataflow = new Dataflow({
    graph,
    parallelism: 1,
    maxParallelism: MAX_PARALLELISM,
    backend: createMemoryBackend,
    snapshots,
    context: {
      cwd: '/',
      disk: new FaultyDisk(),
      clock: systemClock,
      job: { id: 'bench', name: 'bench' },
      attempt: 1,
      lineage: [],
      log: () => undefined,
      stdout: async () => undefined,
    },
    where: new Where(),
    liveSinks: false,
    rewind: false,
    wake: () => undefined,
  });
  await dataflow.open({ barrierTime: undefined, fromOrigin: false });
  return dataflow;
}

/** Reads up to so many events, in all, and lets everything fire that they set off; milliseconds. */
async function readUpTo(dataflow: Dataflow, count: number): Promise<number> {
  const from = performance.now();
  dataflow.goOn();
  for (;;) {
    if (dataflow.elements >= count) dataflow.pause();
    // The source comes to its next batch in between, as it does in a job.
    if (dataflow.step(systemClock.monotonic())) await undefined;
    else if (dataflow.elements < count) await new Promise<void>((resolve) => setImmediate(resolve));
    else return performance.now() - from;
  }
}

async function timed(graph: Graph): Promise<number> {
  const dataflow = await opened(graph, 'all');
  const ms = await readUpTo(dataflow, events);
  await dataflow.close();
  return (ms * 1e6) / events;
}

interface Written {
  readonly entries: number;
  readonly bytes: number;
}

async function checkpoint(dataflow: Dataflow, id: number): Promise<Written> {
  const pool = { take: (bytes: number) => Buffer.alloc(bytes), full: () => undefined };
  const out = new EntryWriter(pool, CHUNK);
  const snapshot = dataflow.freeze(id, out);
  while (!snapshot.slice(() => true));
  await snapshot.prepared;
  snapshot.finish();
  snapshot.drains.settle(true);
  return { entries: out.entries, bytes: out.bytes };
}

async function written(graph: Graph): Promise<QueryReport['state']> {
  const dataflow = await opened(graph, 'changes');
  if (dataflow.compiled.keyed.length === 0) return undefined;
  await readUpTo(dataflow, events);
  const { entries, bytes: full } = await checkpoint(dataflow, 1);
  await readUpTo(dataflow, most);
  const { bytes: changes } = await checkpoint(dataflow, 2);
  await dataflow.close();
  return { entries, full, changes };
}

const ours = await queryGraph();
const bare = bareGraph(ours);
const pairs: (readonly [bare: number, query: number])[] = [];
for (let round = 0; round < rounds; round++) pairs.push([await timed(bare), await timed(ours)]);
// In the first ones code is compiled.
pairs.splice(0, WARM_UP);
const report: QueryReport = {
  generated,
  bare: median(pairs.map(([ms]) => ms)),
  query: median(pairs.map(([, ms]) => ms)),
  ratios: pairs.map(([other, own]) => own / other),
  state: await written(ours),
};
parentPort?.postMessage(report);
