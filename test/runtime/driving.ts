/** Drives a {@link Dataflow} directly: no threads, no files, and only the time that a test lets pass. */
import { z } from 'zod';
import type { TidemarkError } from '../../src/base/errors.js';
import { schema } from '../../src/codec/schema.js';
import { defineJob, type JobBuilder } from '../../src/graph/define.js';
import { defineSource } from '../../src/graph/define-source.js';
import type { SourceSpec } from '../../src/graph/source.js';
import type { BackendFactory } from '../../src/runtime/compile.js';
import { Dataflow } from '../../src/runtime/dataflow.js';
import { Where } from '../../src/runtime/where.js';
import { createMemoryBackend } from '../../src/state/memory/backend.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { entriesOf, type TakenSnapshot } from '../../src/testing/taken.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';

export interface DriveOptions {
  readonly parallelism?: number;
  readonly maxParallelism?: number;
  readonly clock?: ManualClock;
  readonly attempt?: number;
  readonly restore?: TakenSnapshot | undefined;
  /** In memory by default. */
  readonly backend?: BackendFactory;
  /** False: sinks are mute. */
  readonly liveSinks?: boolean;
  /** A restored job's first attempt, with `--sinks rewind`. */
  readonly rewind?: boolean;
}

/** A dataflow under way. */
export class Driven {
  readonly dataflow: Dataflow;
  readonly clock: ManualClock;
  readonly log: string[] = [];

  /** Not opened yet: what is to be restored can be. */
  constructor(build: (job: JobBuilder) => void, options: DriveOptions) {
    const { parallelism = 1, maxParallelism = 16, attempt = 1, liveSinks = true, rewind = false } = options;
    const { backend = createMemoryBackend } = options;
    this.clock = options.clock ?? new ManualClock();
    const definition = defineJob('driven', {}, (job) => build(job));
    this.dataflow = new Dataflow({
      graph: definition.build({}),
      parallelism,
      maxParallelism,
      backend,
      snapshots: 'all',
      context: {
        cwd: '/',
        disk: new FaultyDisk(),
        clock: this.clock,
        job: { id: 'driven', name: 'driven' },
        attempt,
        lineage: [],
        log: (line) => void this.log.push(line),
        stdout: async () => undefined,
      },
      where: new Where(),
      liveSinks,
      rewind,
      wake: () => undefined,
    });
  }

  static async open(build: (job: JobBuilder) => void, options: DriveOptions = {}): Promise<Driven> {
    const driven = new Driven(build, options);
    const { restore } = options;
    if (restore !== undefined) {
      for (const entry of entriesOf(restore)) driven.dataflow.restore(entry, restore.tables);
    }
    await driven.dataflow.open({ barrierTime: restore?.barrierTime, fromOrigin: options.rewind === true });
    return driven;
  }

  /** One step; sources have come to their next batch before it. False: there was nothing to do. */
  async step(): Promise<boolean> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    const worked = this.dataflow.step(this.clock.monotonic());
    await Promise.all(this.dataflow.waiting.splice(0));
    return worked;
  }

  /** Steps until there is nothing to do without the clock. */
  async settle(): Promise<void> {
    while (await this.step());
  }
}

/** Runs until nothing moves; the coded error it fails with, or undefined. */
export async function failureOf(build: (job: JobBuilder) => void): Promise<TidemarkError | undefined> {
  const driven = await Driven.open(build);
  try {
    await driven.settle();
    return undefined;
  } catch (error) {
    return error as TidemarkError;
  }
}

/** A source of given splits, each a list of elements, in batches of `batch`; its position counts elements. */
export function splitsOf<T>(
  splits: Readonly<Record<string, readonly T[]>>,
  batch = 1,
  more: Partial<SourceSpec<T, number>> = {},
): SourceSpec<T, number> {
  return {
    ...defineSource<T, number>({
      kind: 'splits',
      position: schema(z.number()),
      splits: () => Object.keys(splits).map((id) => ({ id, start: 0 })),
      async *read({ split, position }) {
        const all = splits[split] ?? [];
        for (let at = position; at < all.length; at += batch) {
          yield { elements: all.slice(at, at + batch), position: Math.min(at + batch, all.length) };
        }
      },
    }),
    ...more,
  };
}
