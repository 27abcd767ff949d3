/** Streams with disorder: some splits, each with a time of its own that mostly goes on, from one seed. */
import { present } from '../../src/base/assert.js';
import { seededRandom } from '../../src/base/random.js';

export interface Element {
  /** Its number, alone; more where elements were reduced to one. */
  readonly ids: readonly number[];
  readonly key: string;
  /** When it happened. */
  readonly t: number;
  /** Something to tell elements by: 0, 1 or 2. */
  readonly v: number;
}

export interface StreamOptions {
  readonly seed: number;
  readonly splits: number;
  readonly elements: number;
  readonly keys: number;
  /** How much later than one of a greater timestamp of its split an element may come. */
  readonly bound: number;
  /** The share of elements that come later than that, and how much at most. */
  readonly beyond: { readonly share: number; readonly most: number };
  /** How much event time passes from one element of a split to the next, on average. */
  readonly pace: number;
}

export type Streams = Readonly<Record<string, readonly Element[]>>;

/** Splits hold elements one after another; numbers go on over all of them. */
export function streamsOf(options: StreamOptions): Streams {
  const { seed, splits, elements, keys, bound, beyond, pace } = options;
  const random = seededRandom(seed);
  const below = (n: number) => Math.floor(random.next() * n);
  const streams = Array.from({ length: splits }, (): Element[] => []);
  // Splits begin at times of their own, and some before 1970.
  const greatest = streams.map(() => below(10 * pace) - 5 * pace);
  for (let id = 0; id < elements; id++) {
    const at = below(splits);
    const before = present(greatest[at], 'a split');
    let t: number;
    if (random.next() < beyond.share) t = before - bound - 1 - below(beyond.most);
    else {
      // Now and then nothing happens for long.
      const ahead = random.next() < 0.02 ? below(40 * pace) : below(2 * pace + 1);
      t = Math.max(before - bound, before + ahead - below(bound + 1));
    }
    greatest[at] = Math.max(before, t);
    streams[at]?.push({ ids: [id], key: `key-${below(keys)}`, t, v: below(3) });
  }
  return Object.fromEntries(streams.map((split, at) => [`split-${at}`, split]));
}
