/** Archives of old definitions, midway: each is made once, in this process, and serves all cases of that definition. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ORDERS } from '../../fixtures/upgrades/orders.js';
import type { JobFile, OldJob } from '../../fixtures/upgrades/upgrade-case.js';
import type { Definition } from '../../src/graph/definition.js';
import type { GraphNode, SourceNode } from '../../src/graph/node.js';
import type { Batch, ReadRequest } from '../../src/graph/source.js';
import { ManualClock, testJob } from '../../src/testing.js';
import { archiveOf } from '../job/matrix-archive.js';
import type { Place } from './running-jobs.js';

const BATCHES = 4;
/** Milliseconds, on a clock that stands still. */
const FOR_EVER = 1e9;

export async function definitionOf(file: JobFile): Promise<Definition> {
  const { default: definition } = (await import(`../../fixtures/upgrades/${file}.js`)) as {
    readonly default: Definition;
  };
  return definition;
}

export class OldArchives {
  readonly #place: Place;
  readonly #made = new Map<string, Promise<string>>();

  constructor(place: Place) {
    this.#place = place;
    writeInputs(place.folder);
  }

  of(old: OldJob): Promise<string> {
    const name = JSON.stringify([old.file, old.version, old.archive, old.batches, old.params]);
    const made =
      this.#made.get(name) ?? this.#make(old, join(this.#place.folder, `old-${this.#made.size}.tar`));
    this.#made.set(name, made);
    return made;
  }

  async #make(old: OldJob, path: string): Promise<string> {
    const params = { version: old.version, ...old.params };
    if (old.archive === 'full' || old.archive === 'incremental') {
      await this.#place.nativeArchive(old.file, params, old.archive, path);
      return path;
    }
    const { folder } = this.#place;
    const whole = await definitionOf(old.file);
    const drained = old.archive === 'drained';
    const definition = drained ? whole : stoppedAfter(whole, old.batches ?? BATCHES);
    // What has a time to live must not have outlived it.
    const clock = new ManualClock(Date.now());
    const job = await testJob(definition, { params, cwd: folder, clock, liveSinks: true });
    assert.equal(await job.run(), drained ? 'ended' : 'idle');
    const snapshot = await job.snapshot();
    await job.close();
    await archiveOf(definition, snapshot, path, folder, { params, drained, cwd: folder });
    return path;
  }
}

/** The definition, whose sources wait for ever once they have given so many batches each. */
function stoppedAfter(definition: Definition, batches: number): Definition {
  const stopped = (node: GraphNode): GraphNode =>
    node.kind === 'source'
      ? { ...node, source: { ...node.source, read: (request) => someOf(node.source, request, batches) } }
      : node;
  return { ...definition, build: (values) => ({ nodes: definition.build(values).nodes.map(stopped) }) };
}

async function* someOf(
  source: SourceNode['source'],
  request: ReadRequest<unknown>,
  batches: number,
): AsyncGenerator<Batch<unknown, unknown>> {
  let given = 0;
  for await (const batch of source.read(request)) {
    yield batch;
    if (++given === batches) await request.clock.sleep(FOR_EVER, request.signal);
  }
}

/** Four orders; the same and the three that follow; seven others. */
function writeInputs(folder: string): void {
  const lines = (orders: readonly unknown[]) => orders.map((order) => `${JSON.stringify(order)}\n`).join('');
  const inputs = {
    'before/orders.jsonl': lines(ORDERS.slice(0, 4)),
    'after/orders.jsonl': lines(ORDERS),
    'elsewhere/orders.jsonl': lines(ORDERS),
    'renamed/renamed.jsonl': lines(ORDERS),
    'other/orders.jsonl': lines(ORDERS.map((order) => ({ ...order, customer: 'eve' }))),
  };
  for (const [name, text] of Object.entries(inputs)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}
