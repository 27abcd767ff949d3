/**
 * The keyed count without end, as fast as it goes or slowed down. First each key comes once, then keys at random.
 *
 * It notes when the sink was written to and how many elements had come by then (one note a step), and the pauses of
 * its thread's garbage collector; both go to the report when the job is suspended. Times are milliseconds of the
 * clock that all threads share.
 */
import { writeFileSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineJob, defineSink, defineSource, param, schema, state, type } from 'tidemark';
import { anyPosition, batches, names, picks } from './input.js';

/** Steps noted, the latest ones. */
const NOTES = 1 << 19;
/** Elements of the part that is read over and over. */
const CYCLE = 1 << 21;
/** Strings in the state of `value: object`. */
const TAGS = ['red', 'green', 'blue'];

interface Row {
  readonly key: string;
  readonly count: number;
}

interface Counted {
  readonly count: number;
  readonly name: string;
  readonly tags: readonly string[];
}

class Notes {
  readonly #at = new Float64Array(NOTES);
  readonly #elements = new Float64Array(NOTES);
  readonly #pauses: { readonly at: number; readonly ms: number }[] = [];
  /** What to add to this thread's clock to get the one that all threads share. */
  readonly #offset: number;
  #steps = 0;
  #received = 0;
  #last: Row | undefined;

  constructor() {
    const [seconds, nanos] = process.hrtime();
    this.#offset = seconds * 1000 + nanos / 1e6 - performance.now();
    new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) {
        this.#pauses.push({ at: startTime + this.#offset, ms: duration });
      }
    }).observe({ entryTypes: ['gc'] });
  }

  write(rows: readonly Row[]): void {
    for (const row of rows) this.#last = row;
    this.#received += rows.length;
    const at = this.#steps++ % NOTES;
    this.#at[at] = performance.now() + this.#offset;
    this.#elements[at] = this.#received;
  }

  report(path: string): void {
    const noted = Math.min(this.#steps, NOTES);
    const first = this.#steps - noted;
    const steps = Array.from({ length: noted }, (_, i) => {
      const at = (first + i) % NOTES;
      return [this.#at[at], this.#elements[at]];
    });
    writeFileSync(path, JSON.stringify({ steps, pauses: this.#pauses, last: this.#last }));
  }
}

export default defineJob(
  'count-stream',
  {
    params: {
      keys: param.number(100_000),
      /** `number` or `object`. */
      value: param.string('number'),
      /** Milliseconds of rest after each batch, once every key has come. */
      rest: param.number(0),
      report: param.string(),
    },
  },
  (job, p) => {
    const keyed = job
      .source(
        'keys',
        defineSource({
          position: schema(anyPosition),
          splits: () => [{ id: '0', start: { done: 0 } }],
          async *read({ position, signal }) {
            // Making the input is no part of starting the job.
            await sleep(1);
            const all = names(p.keys);
            const cycle = batches(picks(all, CYCLE));
            let { done } = position;
            if (done === 0) for (const elements of batches(all)) yield { elements, position: { done: 1 } };
            // A slow stream is one whose memory is looked at: what filling it left behind goes first.
            if (p.rest > 0) globalThis.gc?.();
            while (!signal.aborted) {
              for (const elements of cycle) {
                yield { elements, position: { done: ++done } };
                if (p.rest > 0) await sleep(p.rest);
              }
            }
          },
        }),
      )
      .keyBy((key) => key);
    const counted =
      p.value === 'number'
        ? keyed.process('count', {
            state: { seen: state.number(0) },
            emits: type<Row>(),
            onElement(key, ctx) {
              const count = ctx.state.seen.get() + 1;
              ctx.state.seen.set(count);
              ctx.emit({ key, count });
            },
          })
        : keyed.process('count', {
            state: { seen: state.value<Counted>() },
            emits: type<Row>(),
            onElement(key, ctx) {
              const before = ctx.state.seen.get();
              const count = (before?.count ?? 0) + 1;
              ctx.state.seen.set({ count, name: key, tags: before?.tags ?? TAGS });
              ctx.emit({ key, count });
            },
          });
    counted.sink(
      'out',
      defineSink<Row>({
        open: () => {
          const notes = new Notes();
          return {
            write: (rows) => notes.write(rows),
            close: () => notes.report(p.report),
          };
        },
      }),
    );
  },
);
