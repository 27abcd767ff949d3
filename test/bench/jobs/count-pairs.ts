/**
 * The keyed count and a bare loop, in turns, in one data thread and over the same batches.
 *
 *     round := bare loop over all batches, timed │ the dataflow over all batches, timed
 *
 * The source holds its batches back while the bare loop runs; the dataflow's time goes from the release of the
 * first batch until its last row has reached the sink's function.
 */
import { writeFileSync } from 'node:fs';
import { defineJob, defineSink, defineSource, param, schema, state, type } from 'tidemark';
import { keyGroupOf } from '../../../src/base/key-groups.js';
import { hashString } from '../../../src/codec/key-hash.js';
import { anyPosition, batches, names, picks } from './input.js';

interface Row {
  readonly key: string;
  readonly count: number;
}

const MAX_PARALLELISM = 128;

let received = 0;
let last: Row | undefined;

/** Where rows end, on both sides. */
function receive(row: Row): void {
  received++;
  last = row;
}

class Rounds {
  readonly all: readonly (readonly string[])[];
  /** Milliseconds of the bare loop and of the dataflow, a pair a round. */
  readonly pairs: (readonly [bare: number, flow: number])[] = [];
  readonly #elements: number;
  readonly #rounds: number;
  readonly #splits: number;
  readonly #counts = new Map<string, number>();
  readonly #groups = new Uint32Array(MAX_PARALLELISM);
  #bare = 0;
  #releasedAt = 0;
  #waiting: (() => void)[] = [];
  #processed = true;

  constructor(keys: number, elements: number, rounds: number, splits: number) {
    this.all = batches(picks(names(keys), elements));
    this.#elements = elements;
    this.#rounds = rounds;
    this.#splits = splits;
  }

  /** Resolves when the next round begins. */
  begin(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#turn();
    });
  }

  /** Called by the sink after each write. */
  written(): void {
    if (received < this.#elements || this.#processed) return;
    this.#processed = true;
    this.pairs.push([this.#bare, performance.now() - this.#releasedAt]);
    // Not within the step that is under way.
    queueMicrotask(() => this.#turn());
  }

  #turn(): void {
    if (!this.#processed || this.#waiting.length < this.#splits) return;
    if (this.pairs.length < this.#rounds) {
      received = 0;
      this.#bare = this.#runBare();
      if (received !== this.#elements) throw new Error('the bare loop lost rows');
    }
    received = 0;
    this.#processed = false;
    this.#releasedAt = performance.now();
    for (const release of this.#waiting.splice(0)) release();
  }

  #runBare(): number {
    const start = performance.now();
    const counts = this.#counts;
    const groups = this.#groups;
    for (const batch of this.all) {
      for (const key of batch) {
        const group = keyGroupOf(hashString(key), MAX_PARALLELISM);
        groups[group] = (groups[group] ?? 0) + 1;
        const count = (counts.get(key) ?? 0) + 1;
        counts.set(key, count);
        receive({ key, count });
      }
    }
    return performance.now() - start;
  }
}

export default defineJob(
  'count-pairs',
  {
    params: {
      keys: param.number(100_000),
      elements: param.number(1_000_000),
      rounds: param.number(15),
      splits: param.number(1),
      report: param.string(),
    },
  },
  (job, p) => {
    const rounds = new Rounds(p.keys, p.elements, p.rounds, p.splits);
    job
      .source(
        'keys',
        defineSource({
          position: schema(anyPosition),
          splits: () => Array.from({ length: p.splits }, (_, i) => ({ id: String(i), start: { done: 0 } })),
          async *read({ split }) {
            const own = rounds.all.filter((_, i) => i % p.splits === Number(split));
            let done = 0;
            for (let round = 0; round < p.rounds; round++) {
              await rounds.begin();
              for (const elements of own) yield { elements, position: { done: done++ } };
            }
          },
        }),
      )
      .keyBy((key) => key)
      .process('count', {
        state: { seen: state.number(0) },
        emits: type<Row>(),
        onElement(key, ctx) {
          const count = ctx.state.seen.get() + 1;
          ctx.state.seen.set(count);
          ctx.emit({ key, count });
        },
      })
      .sink(
        'out',
        defineSink<Row>({
          open: () => ({
            write(rows) {
              for (const row of rows) receive(row);
              rounds.written();
            },
            close() {
              writeFileSync(p.report, JSON.stringify({ pairs: rounds.pairs, last }));
            },
          }),
        }),
      );
  },
);
