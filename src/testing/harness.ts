/**
 * What the harness of a job and that of an operator have in common: a dataflow in this thread with a clock that only the
 * test moves, its state looked at from outside, snapshots in memory.
 */
import { TidemarkError } from '../base/errors.js';
import { defaultMaxParallelism } from '../base/key-groups.js';
import { realDisk } from '../base/real-disk.js';
import type { Entry } from '../format/entry.js';
import type { Graph } from '../graph/node.js';
import { Dataflow } from '../runtime/dataflow.js';
import type { KeyedOperator } from '../runtime/operator.js';
import type { Table } from '../runtime/tables.js';
import { Where } from '../runtime/where.js';
import { createMemoryBackend } from '../state/memory/backend.js';
import { snapshotFromArchive } from './from-archive.js';
import { freezeGraph } from './frozen-graph.js';
import { ManualClock } from './manual-clock.js';
import { readState, readTimers } from './read-state.js';
import { entriesOf, lookAt, type TakenSnapshot, take } from './taken.js';

/** Looks, a millisecond apart, after which nothing more is expected of what sleeps by the clock; of calls to the outside. */
const IDLE_LOOKS = 20;
const ANSWER_LOOKS = 250;

export interface HarnessOptions {
  /** Default 1. */
  readonly parallelism?: number;
  readonly maxParallelism?: number;
  /** Default: one that stands at 0, or at the time of the snapshot. */
  readonly clock?: ManualClock;
  /** Start from a snapshot that another test took, or from the savepoint or externalized checkpoint at this path. */
  readonly restore?: TakenSnapshot | string;
  /** Where relative paths begin. */
  readonly cwd?: string;
}

/** The snapshot to start from. Rejects with ARCHIVE_CORRUPT, FILE_NOT_FOUND. */
export async function snapshotOf({ restore }: HarnessOptions): Promise<TakenSnapshot | undefined> {
  return typeof restore === 'string' ? await snapshotFromArchive(restore) : restore;
}

export abstract class Harness {
  readonly clock: ManualClock;
  /** What user code logged. */
  readonly log: string[] = [];
  protected readonly dataflow: Dataflow;
  protected readonly where = new Where();
  readonly #restore: TakenSnapshot | undefined;
  #checkpoint: number;

  /** `graph`: with its sources and sinks as the test wants them. */
  constructor(
    name: string,
    graph: Graph,
    options: Omit<HarnessOptions, 'restore'>,
    restore: TakenSnapshot | undefined,
  ) {
    const { parallelism = 1 } = options;
    this.clock = options.clock ?? new ManualClock(restore?.barrierTime ?? 0);
    this.#restore = restore;
    this.#checkpoint = restore?.checkpoint ?? 0;
    this.dataflow = new Dataflow({
      graph: freezeGraph(graph),
      parallelism,
      maxParallelism: options.maxParallelism ?? restore?.maxParallelism ?? defaultMaxParallelism(parallelism),
      backend: createMemoryBackend,
      snapshots: 'all',
      context: {
        cwd: options.cwd ?? process.cwd(),
        disk: realDisk,
        clock: this.clock,
        job: { id: 'test', name },
        attempt: 1,
        lineage: [],
        log: (line) => void this.log.push(line),
        stdout: async (text) => void this.log.push(text),
      },
      where: this.where,
      liveSinks: true,
      rewind: false,
      wake: () => undefined,
    });
  }

  /** `testJob` and `testOperator` call this. */
  async open(): Promise<void> {
    const restore = this.#restore;
    if (restore !== undefined) {
      const taken = restore.tables.map((table) => this.takes(table, restore));
      for (const entry of entriesOf(restore)) {
        const table = restore.tables[entry.table];
        if (taken[entry.table] === false) continue;
        this.dataflow.restore(table === undefined ? entry : this.rewrite(entry, table), restore.tables);
      }
    }
    await this.dataflow.open({ barrierTime: restore?.barrierTime, fromOrigin: false });
  }

  /**
   * What is kept under `uid.name` for a key, as the last callback left it; undefined where there is nothing, or it has
   * expired.
   *
   *     value, number, reducing     the value
   *     aggregating                 the accumulator, of which `get` makes its result
   *     list                        an array
   *     map                         a Map
   *     uid of a window             [{ window: { start, end }, value }], by start: the element, accumulator or array that
   *                                 each pane holds; or each slice, where sliding windows are kept in slices
   *     broadcast state             a Map; without a key
   *     list and union state        an array, of all subtasks; without a key. Of sinks that are not captured
   *     uid of an asyncMap          an array: the elements in flight, of all subtasks; without a key
   *
   * @throws TidemarkError USAGE when there is no such state, KEY_REFUSED for what is no key of the operator.
   */
  state(name: string, key?: unknown): unknown {
    return readState(this.dataflow.compiled, lookAt(this.dataflow), { name, key });
  }

  /**
   * When the timers `uid.name` of a key are due, ascending; of a window operator that is `uid.event`, the next time at which
   * something is due for the key. Throws as `state` does.
   */
  timers(name: string, key: unknown): readonly number[] {
    return readTimers(this.dataflow.compiled, lookAt(this.dataflow), { name, key });
  }

  /** How far event time has come at a keyed operator: −Infinity before there is any, Infinity at the end of input. */
  watermarkOf(uid: string): number {
    this.#subtasks(uid);
    return this.dataflow.compiled.times.get(uid)?.watermark ?? Number.NEGATIVE_INFINITY;
  }

  /** Elements that came too late: for any window of theirs, or behind the watermark where there are event timers. */
  late(uid: string): number {
    const counts = this.#subtasks(uid).map(({ late }) => late);
    if (counts.includes(undefined))
      throw new TidemarkError('USAGE', `nothing is late at operator ${uid}: it does not go by event time`);
    return counts.reduce<number>((sum, count = 0) => sum + count, 0);
  }

  /** A snapshot as a savepoint would take it; the test may go on. */
  async snapshot(): Promise<TakenSnapshot> {
    const snapshot = await take(this.dataflow, this.#checkpoint + 1);
    this.#checkpoint++;
    await this.dataflow.commit(snapshot.checkpoint);
    return snapshot;
  }

  /** Lets go of what user code holds. */
  async close(): Promise<void> {
    await this.dataflow.close();
  }

  /** Looks without work, a millisecond apart, after which what is in flight, or asleep, counts as waiting for the clock. */
  protected patience(): number {
    const asked = this.dataflow.compiled.asyncs?.asked ?? 0;
    if (asked === 0) return 1;
    return this.clock.sleeping > 0 ? IDLE_LOOKS : ANSWER_LOOKS;
  }

  /** Whether what a snapshot holds in a table belongs to what is tested. */
  protected abstract takes(table: Table, snapshot: TakenSnapshot): boolean;

  /** An entry of a snapshot as what is tested is to find it. */
  protected rewrite(entry: Entry, _table: Table): Entry {
    return entry;
  }

  #subtasks(uid: string): readonly KeyedOperator[] {
    const { processes } = this.dataflow.compiled;
    const operators = processes.get(uid);
    if (operators !== undefined) return operators;
    throw new TidemarkError(
      'USAGE',
      `no keyed operator ${uid}; there are: ${[...processes.keys()].join(', ')}`,
    );
  }
}
