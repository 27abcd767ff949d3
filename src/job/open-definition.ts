/**
 * A stored bundle, loaded in a data thread to be asked about: its graph, whether it takes the entries of a snapshot, and
 * what its targets hold beyond one. No element is read or written.
 *
 *     facts ─▶ check (at most once) ─▶ ahead (at most once) ─▶ close
 *
 * Invariants: whatever the definition does, the thread is gone after `close`, which must be called; a thread that ends
 * early rejects whoever waits for it.
 */
import { assert } from '../base/assert.js';
import { systemClock } from '../base/clock.js';
import { deferred } from '../base/deferred.js';
import { type ErrorCode, TidemarkError } from '../base/errors.js';
import type { JobSettings } from '../graph/settings.js';
import type { LineageEntry, TransactionId } from '../graph/sink.js';
import type { Table } from '../runtime/tables.js';
import { Attempt } from './attempt.js';
import { type Block, gather } from './gather.js';
import { IGNORE } from './ignore-events.js';
import { type CheckedEntries, type DataThreadData, type GraphFacts, RESTORE_BYTES } from './protocol.js';

export type DefinitionPlace = Pick<DataThreadData, 'bundle' | 'job' | 'params' | 'cwd'>;

/** No job's id: a job's own transactions would never be ahead of it. */
const NOBODY = '-';

export class OpenDefinition {
  readonly facts: GraphFacts;
  readonly #attempt: Attempt;
  readonly #checked: Promise<CheckedEntries>;
  readonly #ahead: Promise<ReadonlyMap<string, readonly TransactionId[]>>;

  /** `targets`: its sinks will be asked what their targets hold. Rejects with what its code throws. */
  static async open(
    what: DefinitionPlace,
    settings: JobSettings,
    lineage: readonly LineageEntry[],
    { targets }: { readonly targets: boolean },
  ): Promise<OpenDefinition> {
    const checked = deferred<CheckedEntries>();
    const ahead = deferred<ReadonlyMap<string, readonly TransactionId[]>>();
    const events = { ...IGNORE, checked: checked.resolve, ahead: ahead.resolve };
    const attempt = new Attempt(optionsFor(what, settings, lineage, targets), events);
    const facts = await Promise.race([attempt.described, attempt.ended]);
    if (facts !== undefined && !(facts instanceof TidemarkError))
      return new OpenDefinition(attempt, facts, checked.promise, ahead.promise);
    await attempt.terminate();
    throw facts ?? endedEarly();
  }

  private constructor(
    attempt: Attempt,
    facts: GraphFacts,
    checked: Promise<CheckedEntries>,
    ahead: Promise<ReadonlyMap<string, readonly TransactionId[]>>,
  ) {
    this.#attempt = attempt;
    this.facts = facts;
    this.#checked = checked;
    this.#ahead = ahead;
  }

  /**
   * Holds entries against the definition; `tables` are those of the snapshot, found by their ids. `onEntries` is told how
   * many have been handed over, and may throw to stop.
   */
  async check(
    tables: readonly Table[],
    blocks: AsyncIterable<Block>,
    onEntries?: (entries: number) => void,
  ): Promise<CheckedEntries> {
    const byId: Table[] = [];
    for (const table of tables) byId[table.id] = table;
    this.#attempt.send({ type: 'tables', tables: byId, kept: false });
    let ended = false;
    const end = this.#attempt.ended.then(() => {
      ended = true;
    });
    let handed = 0;
    for await (const { payload, entries } of gather(blocks, RESTORE_BYTES)) {
      await Promise.race([this.#attempt.restore(payload, entries), end]);
      if (ended) break;
      handed += entries;
      onEntries?.(handed);
    }
    this.#attempt.send({ type: 'entries-end' });
    return this.#unlessEnded(this.#checked).catch((error: unknown) => {
      throw unableToTake(error);
    });
  }

  /** By sink, the transactions that its target holds beyond the lineage. */
  async ahead(): Promise<ReadonlyMap<string, readonly TransactionId[]>> {
    this.#attempt.send({ type: 'go', beginning: { barrierTime: undefined, fromOrigin: true } });
    return this.#unlessEnded(this.#ahead);
  }

  async close(): Promise<void> {
    await this.#attempt.terminate();
    await this.#attempt.ended;
  }

  async #unlessEnded<T>(answer: Promise<T>): Promise<T> {
    const first = await Promise.race([
      answer.then((value) => ({ value })),
      this.#attempt.ended.then((error) => ({ error: error ?? endedEarly() })),
    ]);
    if ('error' in first) throw first.error;
    return first.value;
  }
}

function optionsFor(
  { job, ...what }: DefinitionPlace,
  settings: JobSettings,
  lineage: readonly LineageEntry[],
  targets: boolean,
): ConstructorParameters<typeof Attempt>[0] {
  const { parallelism, maxParallelism, heap, stepTimeout } = settings;
  assert(maxParallelism >= parallelism, 'more subtasks than key groups');
  const data = {
    ...what,
    job: { id: NOBODY, name: job.name },
    attempt: 0,
    liveSinks: targets,
    rewind: false,
    metricsEvery: Number.MAX_SAFE_INTEGER,
    parallelism,
    maxParallelism,
    lineage,
    mode: 'check',
    backend: 'memory',
    snapshots: 'all',
    segments: '',
    cache: 0,
  } as const;
  return { data, heap, stepTimeout, clock: systemClock };
}

/** What ends the thread that only takes entries would end every restore of them. */
function unableToTake(error: unknown): unknown {
  if (!(error instanceof TidemarkError) || !ENDS_THREAD.has(error.code)) return error;
  const { cause: _cause, hint: _hint, ...where } = error.details;
  return new TidemarkError('INCOMPATIBLE', `the values cannot be looked at: ${error.message}`, {
    ...where,
    cause: error,
    hint: 'mend what is run for each value, the steps of schemas, and codecs; or give more: --step-timeout, --heap',
  });
}

const ENDS_THREAD: ReadonlySet<ErrorCode> = new Set(['STEP_TIMEOUT', 'USER_EXIT', 'USER_CODE', 'HEAP_FULL']);

function endedEarly(): TidemarkError {
  return new TidemarkError('DEFINITION_INVALID', 'the definition ended its thread', {
    hint: 'look for what ends it at the top level: process.exit, or a loop',
  });
}
