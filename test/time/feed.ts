/** A source that a test feeds by hand, batch by batch, and that any number of attempts read from where they were. */
import { z } from 'zod';
import { schema } from '../../src/codec/schema.js';
import { defineSource } from '../../src/graph/define-source.js';
import type { SourceSpec } from '../../src/graph/source.js';

interface Fed<T> {
  readonly batches: (readonly T[])[];
  ended: boolean;
  /** Readers that wait for more. */
  readonly waiting: Set<() => void>;
}

export class Feed<T> {
  readonly #splits = new Map<string, Fed<T>>();

  constructor(...splits: readonly string[]) {
    for (const id of splits) this.add(id);
  }

  /** A split more: one that a source finds when it is asked again. */
  add(id: string): void {
    this.#splits.set(id, { batches: [], ended: false, waiting: new Set() });
  }

  /** One batch. */
  give(split: string, ...elements: readonly T[]): void {
    const fed = this.#of(split);
    fed.batches.push(elements);
    for (const wake of fed.waiting) wake();
  }

  /** The end of some splits; of all, when none is named. */
  end(...splits: readonly string[]): void {
    for (const id of splits.length > 0 ? splits : this.#splits.keys()) {
      const fed = this.#of(id);
      fed.ended = true;
      for (const wake of fed.waiting) wake();
    }
  }

  /** Its positions count batches. */
  source(more: Partial<SourceSpec<T, number>> = {}): SourceSpec<T, number> {
    const spec = defineSource<T, number>({
      kind: 'feed',
      position: schema(z.number()),
      splits: () => [...this.#splits.keys()].map((id) => ({ id, start: 0 })),
      read: ({ split, position, signal }) => batchesOf(this.#of(split), position, signal),
    });
    return { ...spec, ...more };
  }

  #of(id: string): Fed<T> {
    const fed = this.#splits.get(id);
    if (fed === undefined) throw new Error(`no split ${id}`);
    return fed;
  }
}

async function* batchesOf<T>(fed: Fed<T>, position: number, signal: AbortSignal) {
  for (let at = position; !signal.aborted; ) {
    const elements = fed.batches[at];
    if (elements !== undefined) yield { elements, position: ++at };
    else if (fed.ended) return;
    else await more(fed, signal);
  }
}

function more<T>({ waiting }: Fed<T>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      waiting.delete(wake);
      signal.removeEventListener('abort', wake);
      resolve();
    };
    waiting.add(wake);
    signal.addEventListener('abort', wake, { once: true });
  });
}
