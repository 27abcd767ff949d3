/**
 * A keyed count that first sees each key once and then waits: it goes on for one turn at a time, as it is told over
 * its channel. So two jobs can be measured one after the other, over and over, while the other is idle.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BroadcastChannel } from 'node:worker_threads';
import { defineJob, defineSink, defineSource, param, schema, state, type } from 'tidemark';
import { anyPosition, batches, names, picks } from './input.js';
import type { Turn, TurnTaken } from './turn.js';

/** Elements of the part that is read over and over, and how many batches lie between two looks at the clock. */
const CYCLE = 1 << 20;
const BATCHES_A_LOOK = 4;
/** Of `skewed`: so much of the elements is of so much of the keys. */
const HOT = 0.9;
const HOT_KEYS = 0.1;
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

interface Texted {
  readonly count: number;
  readonly text: string;
}

/** Hears turns, and tells what they took. */
class Conductor {
  readonly #channel: BroadcastChannel;
  readonly #turns: Turn[] = [];
  #wake: () => void = () => undefined;
  #startedAt = 0;
  #cpuAt = 0;
  #elements = 0;
  #received = 0;
  #given = false;

  constructor(name: string) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = (event: unknown) => {
      this.#turns.push((event as { readonly data: Turn }).data);
      this.#wake();
    };
  }

  /** Undefined when the job ends. */
  async next(signal: AbortSignal): Promise<Turn | undefined> {
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    while (this.#turns.length === 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return signal.aborted ? undefined : this.#turns.shift();
  }

  begin(): void {
    this.#elements = 0;
    this.#received = 0;
    this.#given = false;
    this.#cpuAt = cpuMs();
    this.#startedAt = performance.now();
  }

  /** About to give so many elements. */
  giving(elements: number): void {
    this.#elements += elements;
  }

  /** All elements of the turn were given. */
  given(): void {
    this.#given = true;
    this.#maybeTell();
  }

  written(rows: number): void {
    this.#received += rows;
    this.#maybeTell();
  }

  close(): void {
    this.#channel.close();
  }

  #maybeTell(): void {
    if (!this.#given || this.#received < this.#elements) return;
    this.#given = false;
    const ms = performance.now() - this.#startedAt;
    const taken: TurnTaken = { elements: this.#elements, ms, cpuMs: cpuMs() - this.#cpuAt };
    this.#channel.postMessage(taken);
  }
}

/** What is read. Turns of the same kind go on where the last one ended. */
class Input {
  readonly all: readonly string[];
  readonly #cycles = new Map<string, readonly (readonly string[])[]>();
  readonly #at = new Map<string, number>();
  #each = 0;

  constructor(keys: number) {
    this.all = names(keys);
  }

  *of(turn: Turn): Generator<readonly string[], void> {
    if (turn.kind === 'each') {
      const from = this.#each;
      this.#each = (from + turn.count) % this.all.length;
      const more = Math.max(0, from + turn.count - this.all.length);
      return yield* batches([...this.all.slice(from, from + turn.count), ...this.all.slice(0, more)]);
    }
    const cycle = this.#cycle(turn.kind);
    let at = this.#at.get(turn.kind) ?? 0;
    const until = performance.now() + turn.ms;
    do {
      for (let i = 0; i < BATCHES_A_LOOK; i++) yield cycle[at++ % cycle.length] ?? [];
    } while (performance.now() < until);
    this.#at.set(turn.kind, at);
  }

  /** Made when first needed, before the clock of a turn starts. */
  prepare({ kind }: Turn): void {
    if (kind !== 'each') this.#cycle(kind);
  }

  #cycle(kind: 'uniform' | 'skewed'): readonly (readonly string[])[] {
    const made = this.#cycles.get(kind);
    if (made !== undefined) return made;
    const cycle = batches(kind === 'uniform' ? picks(this.all, CYCLE) : this.#skewed());
    this.#cycles.set(kind, cycle);
    return cycle;
  }

  #skewed(): readonly string[] {
    const hot = picks(this.all.slice(0, Math.ceil(this.all.length * HOT_KEYS)), CYCLE);
    const cold = picks(this.all, CYCLE);
    const every = Math.round(1 / (1 - HOT));
    return hot.map((key, i) => (i % every === 0 ? (cold[i] ?? key) : key));
  }
}

export default defineJob(
  'in-turns',
  {
    params: {
      keys: param.number(1_000_000),
      /** `number`, `object`, or how many characters long a text. */
      value: param.string('number'),
      channel: param.string(),
      report: param.string(''),
    },
  },
  (job, p) => {
    const conductor = new Conductor(p.channel);
    const keyed = job
      .source(
        'keys',
        defineSource({
          position: schema(anyPosition),
          splits: () => [{ id: '0', start: { done: 0 } }],
          async *read({ position, signal }) {
            // Making the input is no part of starting the job.
            await sleep(1);
            const input = new Input(p.keys);
            let { done } = position;
            conductor.begin();
            if (done === 0) {
              for (const elements of batches(input.all)) {
                conductor.giving(elements.length);
                yield { elements, position: { done: 1 } };
              }
              done = 1;
            }
            conductor.given();
            for (;;) {
              const turn = await conductor.next(signal);
              if (turn === undefined) return;
              input.prepare(turn);
              conductor.begin();
              for (const elements of input.of(turn)) {
                conductor.giving(elements.length);
                yield { elements, position: { done: ++done } };
              }
              conductor.given();
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
        : p.value === 'object'
          ? keyed.process('count', {
              state: { seen: state.value<Counted>() },
              emits: type<Row>(),
              onElement(key, ctx) {
                const before = ctx.state.seen.get();
                const count = (before?.count ?? 0) + 1;
                ctx.state.seen.set({ count, name: key, tags: before?.tags ?? TAGS });
                ctx.emit({ key, count });
              },
            })
          : keyed.process('count', {
              state: { seen: state.value<Texted>() },
              emits: type<Row>(),
              onElement(key, ctx) {
                const before = ctx.state.seen.get();
                const count = (before?.count ?? 0) + 1;
                ctx.state.seen.set({ count, text: before?.text ?? textOf(key, Number(p.value)) });
                ctx.emit({ key, count });
              },
            });
    counted.sink(
      'out',
      defineSink<Row>({
        open: () => ({
          write: (rows) => conductor.written(rows.length),
          close: () => conductor.close(),
        }),
      }),
    );
  },
);

/** One piece, as text that was read is. */
function textOf(key: string, length: number): string {
  return Buffer.from(key.padEnd(length, '.')).toString('latin1');
}

/** What this thread has had of a CPU, milliseconds. */
function cpuMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6;
  } catch {
    return Number.NaN;
  }
}
