/** A job whose every line of output tells what it remembers: what it kept must be right for the next line to be. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { committedLines, difference } from '../crash/harness.js';
import type { Place } from './place.js';

export const KEYS = 40;
/** Entries of a key's map that are there at a time; older ones are deleted. */
const RECENT = 3;

interface Change {
  /** One more state. */
  readonly extra?: boolean;
  /** The second version of a state's schema. */
  readonly newer?: boolean;
}

/** For each key: how many there were, the last one, and the last few; the oldest of those is deleted each time. */
function definition({ extra = false, newer = false }: Change): string {
  return `
    import { defineJob, fileSink, param, schema, sequence, state, type } from 'tidemark';
    const any = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } };
    const params = { count: param.number(1000000), rate: param.number(1000), output: param.string() };
    export default defineJob('remembering', { params }, (job, p) => {
      job
        .source('numbers', sequence({ count: p.count, rate: p.rate }))
        .keyBy((n) => n % ${KEYS})
        .process('keep', {
          state: {
            seen: state.number(0),
            last: state.value(schema(any)${newer ? '.next(any, (value) => value)' : ''}),
            recent: state.map(),
            ${extra ? 'more: state.number(0),' : ''}
          },
          emits: type(),
          onElement(n, ctx) {
            const { seen, last, recent } = ctx.state;
            const before = last.get();
            seen.set(seen.get() + 1);
            last.set({ n });
            recent.set(n, -n);
            recent.delete(n - ${KEYS * RECENT});
            const kept = [...recent.entries()].map(([key, value]) => [key, value]).sort(([a], [b]) => a - b);
            ctx.emit({ n, seen: seen.get(), last: before?.n ?? null, kept });
          },
        })
        .sink('out', fileSink(p.output));
    });`;
}

/** `same.ts`, and what it may become: `more.ts` with another state, `newer.ts` with another schema, `both.ts`. */
export async function writeDefinitions(place: Place): Promise<void> {
  await writeFile(place.path('same.ts'), definition({}));
  await writeFile(place.path('more.ts'), definition({ extra: true }));
  await writeFile(place.path('newer.ts'), definition({ newer: true }));
  await writeFile(place.path('both.ts'), definition({ extra: true, newer: true }));
}

/** What a job emits of the numbers from `from` up to `to`. */
export function remembered(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, at) => {
    const n = from + at;
    const first = Math.max(n % KEYS, n - KEYS * (RECENT - 1));
    const kept = [];
    for (let one = first; one <= n; one += KEYS) kept.push([one, -one]);
    const seen = Math.floor(n / KEYS) + 1;
    return JSON.stringify({ n, seen, last: n >= KEYS ? n - KEYS : null, kept });
  });
}

/** The committed lines in a folder are those of these numbers, each once. */
export function assertRemembered(folder: string, from: number, to: number): void {
  assert.equal(difference(committedLines(folder), remembered(from, to)), '');
}
