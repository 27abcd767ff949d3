/**
 * The end of a dataflow: gathers what reaches a sink during a step and hands it to the writer between steps, and
 * keeps the transactions that are prepared but not yet committed.
 */
import { TidemarkError } from '../base/errors.js';
import type { SinkNode } from '../graph/node.js';
import type {
  LineageEntry,
  SinkCommitter,
  SinkContext,
  SinkWriter,
  Transaction,
  TransactionId,
} from '../graph/sink.js';
import type { Counted, Input } from './operator.js';
import type { OperatorStateStore } from './operator-state.js';
import type { Where } from './where.js';

/** Elements gathered before the writer is called in the middle of a step. */
const MAX_GATHERED = 1024;

type Writer = SinkWriter<unknown, unknown>;

/** One subtask of a sink. */
export class SinkOperator implements Input, Counted {
  in = 0;
  out = 0;
  readonly subtask: number;
  writer: Writer | undefined;
  readonly #node: SinkNode;
  readonly #where: Where;
  #gathered: unknown[] = [];
  readonly #waiting: Promise<void>[];

  /** Promises of slow writes are added to `waiting`; no step begins before they settled. */
  constructor(node: SinkNode, subtask: number, where: Where, waiting: Promise<void>[]) {
    this.#node = node;
    this.subtask = subtask;
    this.#where = where;
    this.#waiting = waiting;
  }

  push(value: unknown): void {
    this.in++;
    if (this.writer === undefined) return;
    const gathered = this.#gathered;
    const count = gathered.length;
    // V8 does not inline `push` here, for the array may be of either kind: empty, or of objects.
    gathered[count] = value;
    if (count + 1 >= MAX_GATHERED) this.flush();
  }

  /** Hands over what was gathered. */
  flush(): void {
    if (this.#gathered.length === 0 || this.writer === undefined) return;
    const elements = this.#gathered;
    this.#gathered = [];
    this.#where.at(this.#node.id, this.subtask);
    let wait: void | Promise<void>;
    try {
      wait = this.writer.write(elements);
    } catch (error) {
      throw this.#where.fail(error, this.#node.id, elements[0], 'SINK_FAILED');
    }
    this.out += elements.length;
    if (wait === undefined) return;
    const settled = wait.catch((error: unknown) => {
      throw this.#where.fail(error, this.#node.id, elements[0], 'SINK_FAILED');
    });
    settled.catch(() => undefined);
    this.#waiting.push(settled);
  }
}

/** How a sink is opened. */
export interface SinkOpening {
  /** False: only finish the commits of the snapshot. */
  readonly writers: boolean;
  /** The state comes from the snapshot the job was restored from, not from a checkpoint of its own. */
  readonly fromOrigin: boolean;
  /** Set aside what the target holds beyond that snapshot, rather than refuse. */
  readonly rewind: boolean;
}

/** TARGET_AHEAD, naming how far. */
export function targetAhead(sink: string, ahead: readonly TransactionId[]): TidemarkError {
  const newest = ahead.reduce((a, b) => (b.checkpoint > a.checkpoint ? b : a));
  const found = `${ahead.length} transactions, up to checkpoint ${newest.checkpoint} of job ${newest.job}`;
  return new TidemarkError(
    'TARGET_AHEAD',
    `the target of sink ${sink} is ahead of the snapshot by ${found}`,
    {
      hint: 'restore a newer snapshot, give the sink another target, or add --sinks rewind or --sinks mute',
      operator: sink,
    },
  );
}

/** All subtasks of one sink together: its committer and its open transactions. */
export class SinkGroup {
  readonly node: SinkNode;
  readonly operators: readonly SinkOperator[];
  readonly #where: Where;
  readonly #states: OperatorStateStore;
  #committer: SinkCommitter<unknown> | undefined;
  /** Prepared and not known to be committed, oldest first. Every snapshot holds all of them. */
  #open: Transaction<unknown>[] = [];

  constructor(node: SinkNode, operators: readonly SinkOperator[], where: Where, states: OperatorStateStore) {
    this.node = node;
    this.operators = operators;
    this.#where = where;
    this.#states = states;
  }

  /** Commits what the snapshot holds and drops what is newer, then opens the writers. Mute sinks do neither. */
  async open(
    context: SinkContext,
    restored: readonly Transaction<unknown>[],
    options: SinkOpening,
  ): Promise<void> {
    const { sink } = this.node;
    await this.#guard('opening', async () => {
      this.#committer = await sink.committer?.(context);
      if (options.fromOrigin) await this.#meetTarget(context.lineage, options.rewind);
      await this.#committer?.recover(restored);
      if (!options.writers) return;
      for (const operator of this.operators) {
        const { subtask } = operator;
        const state = this.#states.handles(subtask);
        const parallelism = this.operators.length;
        operator.writer = await sink.open({ ...context, subtask, parallelism, state });
      }
    });
  }

  /** What the target holds beyond a state of this lineage. Opens no writer and changes nothing. */
  async ahead(context: SinkContext): Promise<readonly TransactionId[]> {
    return this.#guard('looking at its target', async () => {
      const committer = await this.node.sink.committer?.(context);
      const ahead = (await committer?.ahead?.(context.lineage)) ?? [];
      await committer?.close?.();
      return ahead;
    });
  }

  /** Throws where the target cannot be rewound to a state of this lineage. Changes nothing. */
  async checkRewind(context: SinkContext): Promise<void> {
    await this.#guard('looking whether its target can be rewound', async () => {
      const committer = await this.node.sink.committer?.(context);
      try {
        await committer?.checkRewind?.(context.lineage);
      } finally {
        await committer?.close?.();
      }
    });
  }

  async #meetTarget(lineage: readonly LineageEntry[], rewind: boolean): Promise<void> {
    const ahead = (await this.#committer?.ahead?.(lineage)) ?? [];
    if (ahead.length === 0) return;
    if (!rewind || this.#committer?.rewind === undefined) throw targetAhead(this.node.uid, ahead);
    await this.#committer.rewind(lineage);
  }

  /**
   * Seals the running transactions, synchronously; resolves once they are durable. To be called at the barrier,
   * when all writes have settled.
   */
  async prepare(checkpoint: number, ids: Pick<SinkContext, 'job' | 'attempt'>): Promise<void> {
    const pending = this.operators.map(async ({ writer, subtask }) => {
      const value = await writer?.prepare?.(checkpoint);
      if (value === undefined || this.#committer === undefined) return;
      const id = { job: ids.job.id, attempt: ids.attempt, sink: this.node.uid, subtask, checkpoint };
      this.#open.push({ id, value });
    });
    await this.#guard('preparing', () => Promise.all(pending));
  }

  /** Prepared and not committed. */
  openTransactions(): readonly Transaction<unknown>[] {
    return this.#open;
  }

  /** Commits every open transaction up to and with this checkpoint's. */
  async commit(checkpoint: number): Promise<void> {
    const due = this.#open.filter(({ id }) => id.checkpoint <= checkpoint);
    const committer = this.#committer;
    if (due.length === 0 || committer === undefined) return;
    await this.#guard('committing', () => committer.commit(due));
    this.#open = this.#open.filter((transaction) => !due.includes(transaction));
  }

  async close(): Promise<void> {
    await this.#guard('closing', async () => {
      for (const { writer } of this.operators) await writer?.close?.();
      await this.#committer?.close?.();
    });
  }

  async #guard<T>(doing: string, act: () => Promise<T>): Promise<T> {
    this.#where.at(this.node.id, 0);
    try {
      return await act();
    } catch (error) {
      const element = `(${doing})`;
      if (!(error instanceof TidemarkError))
        throw this.#where.fail(error, this.node.id, element, 'SINK_FAILED');
      throw this.#where.fail(error, this.node.id, element);
    }
  }
}
