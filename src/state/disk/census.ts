/**
 * How many live entries a table has in a subtask. Entries that expire do so on disk, unseen, and merges drop them unseen;
 * so they are counted by when they expire, in spans of a 64th of the TTL, and no longer once their span has passed.
 *
 *     never │ 12     (after, until]  … ─── 7 ──┤──── 0 ───┤──── 31 ──┤  │── 4 ──┤ adopted, maybe of another TTL
 *                                        now                             until now + TTL
 *
 * Whoever changes an entry knows its stamp, for it was loaded before. So the count is never too low, and too high by at
 * most the entries of the one span that `now` lies in.
 *
 * Invariants: spans ascend and do not overlap; an entry that was counted is in the span its stamp lies in, or that has
 * passed; no span is made where one has passed. There are at most MOST_SPANS.
 */
import type { Expiry } from '../../format/manifest.js';
import type { StepTime } from '../backend.js';

/** When an entry without a stamp expires. */
export const NEVER = Number.POSITIVE_INFINITY;
/** How many spans a TTL is cut into. */
const SPANS = 64;
/** Beyond these, which only changes of the TTL lead to, neighbours become one. */
const MOST_SPANS = 128;

interface Span {
  after: number;
  until: number;
  entries: number;
}

export class Census {
  readonly #time: StepTime;
  readonly #width: number;
  #never = 0;
  readonly #spans: Span[] = [];
  /** Where the last span that was dropped ended. */
  #passed = Number.NEGATIVE_INFINITY;

  /** `after`: how long entries live, milliseconds. Without it only adopted ones expire. */
  constructor(time: StepTime, after = SPANS) {
    this.#time = time;
    this.#width = Math.max(1, Math.ceil(after / SPANS));
  }

  /** An entry came that expires then. */
  add(until: number): void {
    if (until === NEVER) this.#never++;
    else (this.#find(until) ?? this.#make(until)).entries++;
  }

  /** One went that would have. */
  remove(until: number): void {
    if (until === NEVER) {
      this.#never--;
      return;
    }
    const span = this.#find(until);
    if (span !== undefined && span.entries > 0) span.entries--;
  }

  /** One that expired at `from` does so at `to`. */
  move(from: number, to: number): void {
    if (from === to) return;
    this.remove(from);
    this.add(to);
  }

  /** Counts what the store has at first; to be called before anything is removed. */
  adopt(entries: number, expiries: readonly Expiry[]): void {
    let never = entries;
    for (const [after, until, count] of expiries) {
      never -= count;
      this.#join(after, until, count);
    }
    this.#never += Math.max(0, never);
  }

  /** Entries that have not expired, as far as is known. */
  get live(): number {
    this.#drop();
    return this.#spans.reduce((sum, { entries }) => sum + entries, this.#never);
  }

  /** Those of `live` that expire. */
  get expiries(): readonly Expiry[] {
    this.#drop();
    const counted = this.#spans.filter(({ entries }) => entries > 0);
    return counted.map(({ after, until, entries }) => [after, until, entries]);
  }

  #drop(): void {
    const { now } = this.#time;
    const spans = this.#spans;
    let gone = 0;
    while ((spans[gone]?.until ?? NEVER) <= now) this.#passed = (spans[gone++] as Span).until;
    if (gone > 0) spans.splice(0, gone);
  }

  /** The span that a stamp lies in. */
  #find(stamp: number): Span | undefined {
    const span = this.#spans[this.#placeOf(stamp)];
    return span !== undefined && span.after < stamp ? span : undefined;
  }

  /** The place of the first span that does not end before a stamp. */
  #placeOf(stamp: number): number {
    const spans = this.#spans;
    let high = spans.length;
    // Most stamps are the latest yet.
    const last = spans[high - 1];
    if (last === undefined || last.until < stamp) return high;
    if (last.after < stamp) return high - 1;
    let low = 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((spans[middle] as Span).until < stamp) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** A span for a stamp that lies in none: of a grid, as far as there is room. */
  #make(stamp: number): Span {
    this.#drop();
    const spans = this.#spans;
    const at = this.#placeOf(stamp);
    const end = Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(stamp / this.#width) * this.#width);
    const after = Math.max(end - this.#width, spans[at - 1]?.until ?? this.#passed);
    const span = { after, until: Math.min(end, spans[at]?.after ?? end), entries: 0 };
    spans.splice(at, 0, span);
    if (spans.length <= MOST_SPANS) return span;
    this.#joinNarrowest();
    return this.#find(stamp) as Span;
  }

  /** Makes a span, and one with those that it overlaps. */
  #join(after: number, until: number, entries: number): void {
    const spans = this.#spans;
    const joined: Span = { after: Math.max(after, this.#passed), until, entries };
    if (joined.after >= until) return;
    const from = this.#placeOf(joined.after + 1);
    let to = from;
    for (let span = spans[to]; span !== undefined && span.after < until; span = spans[++to]) {
      joined.after = Math.min(joined.after, span.after);
      joined.until = Math.max(joined.until, span.until);
      joined.entries += span.entries;
    }
    spans.splice(from, to - from, joined);
    while (spans.length > MOST_SPANS) this.#joinNarrowest();
  }

  #joinNarrowest(): void {
    const spans = this.#spans;
    let [narrowest, width] = [0, NEVER];
    for (let i = 0; i + 1 < spans.length; i++) {
      const together = (spans[i + 1] as Span).until - (spans[i] as Span).after;
      if (together < width) [narrowest, width] = [i, together];
    }
    const [first, second] = spans.splice(narrowest, 2) as [Span, Span];
    const entries = first.entries + second.entries;
    spans.splice(narrowest, 0, { after: first.after, until: second.until, entries });
  }
}
