/**
 * Turns what a freeze drained, chunks of entries in any order, into sorted runs.
 *
 *     chunks ─▶ SortBuffer ── full ──▶ RunWriter: a run     one delta: runs of disjoint identities, oldest first;
 *                   │                                       entries of unkeyed tables in the last of them alone,
 *     unkeyed ─▶ kept apart ── at the end ──▶ the last run  where they count
 *
 * Duties of the caller: `add` for each chunk, one after another; then `finish`, or `discard`, also after an error. No
 * identity comes twice in one delta: that is what disjoint rests on, and is found out within one run only.
 *
 * Memory: the sort buffer, what a writer takes, and the unkeyed entries, which the data thread has in memory, too.
 */
import { assert } from '../base/assert.js';
import type { Disk } from '../base/disk.js';
import { varintBytes } from '../format/entry-scan.js';
import { MAX_GROUPS } from '../format/sorted-layout.js';
import { Breath } from './merge.js';
import { type RegisterRun, RunWriter, type WrittenRun } from './run-writer.js';
import { type Bucket, type Payload, SortBuffer, type SortLimits, type SortRules } from './sort-buffer.js';

export interface DeltaOptions {
  readonly disk: Disk;
  /** Of the segments; it is there. */
  readonly folder: string;
  /** Tables whose entries count in the last run alone. */
  readonly unkeyed: ReadonlySet<number>;
  /** Makes a run known before it has its name; see RunWriter. */
  readonly register: RegisterRun;
  /** When a run is written; SORT_BYTES and SORT_ENTRIES unless told. */
  readonly limits?: SortLimits;
}

export class DeltaWriter {
  readonly #options: DeltaOptions;
  readonly #apart = new Gathered();
  readonly #keyed: SortBuffer;
  readonly #written: WrittenRun[] = [];
  /** Of the run being written. */
  #out: RunWriter | undefined;
  #state: 'open' | 'failed' | 'finished' | 'discarded' = 'open';

  constructor(options: DeltaOptions) {
    this.#options = options;
    const { unkeyed, limits } = options;
    const rules: SortRules = {
      ...RULES,
      sortedId: (table) => (unkeyed.has(table) ? -1 : table),
      apart: (bytes, from, end) => this.#apart.add(bytes, from, end),
    };
    this.#keyed = new SortBuffer(rules, limits);
  }

  /** Takes `entries` whole entries, `chunk[0, used)`. The chunk may be reused once this resolves. @throws SEGMENT_CORRUPT */
  async add(chunk: Uint8Array, used: number, entries: number): Promise<void> {
    const payload = { payload: Buffer.from(chunk.buffer, chunk.byteOffset, used), entries };
    await this.#guarded(async () => {
      if (!this.#keyed.hasRoom(payload)) await this.#spill();
      this.#keyed.add(payload);
    });
  }

  /** Writes the rest: the runs of the delta, oldest first, durable; none only where no entry came. */
  finish(): Promise<readonly WrittenRun[]> {
    return this.#guarded(async () => {
      const unkeyed = this.#apart.sortBuffer();
      const rest = [this.#keyed, unkeyed].filter(({ count }) => count > 0);
      if (rest.length > 0) await this.#write(rest);
      this.#state = 'finished';
      return this.#written;
    });
  }

  /**
   * Gives it up. Gives the runs that already have their names: they stay, as a file of equal content may be somebody
   * else's; whoever registered them lets go of them. Does nothing more after `finish`.
   */
  async discard(): Promise<readonly WrittenRun[]> {
    if (this.#state !== 'finished') this.#state = 'discarded';
    await this.#out?.discard();
    this.#out = undefined;
    return this.#written;
  }

  async #spill(): Promise<void> {
    if (this.#keyed.count > 0) await this.#write([this.#keyed]);
    this.#keyed.clear();
  }

  /** Writes what is in these buffers, of which no two have entries of the same table, as one run. */
  async #write(buffers: readonly SortBuffer[]): Promise<void> {
    const { disk, folder, register } = this.#options;
    const out = await RunWriter.create(disk, folder);
    this.#out = out;
    await writeSorted(buffers, out);
    this.#written.push(await out.finish(register));
    this.#out = undefined;
  }

  async #guarded<T>(act: () => Promise<T>): Promise<T> {
    assert(this.#state === 'open', `the delta is ${this.#state}`);
    try {
      return await act();
    } catch (error) {
      if (this.#state === 'open') this.#state = 'failed';
      throw error;
    }
  }
}

/** Entries go as they are: by their own table, tombstones and what is expired included. */
const RULES: SortRules = {
  tombstones: true,
  expiredAt: undefined,
  sortedId: (table) => table,
  slots: () => MAX_GROUPS,
  label: (table) => `table ${table}`,
};

/** Entries kept apart, in the order they came. */
class Gathered {
  #bytes = Buffer.alloc(0);
  #used = 0;
  #entries = 0;

  add(bytes: Buffer, from: number, end: number): void {
    const needed = this.#used + end - from;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(4096, 2 * this.#bytes.length, needed));
      this.#bytes.copy(grown, 0, 0, this.#used);
      this.#bytes = grown;
    }
    bytes.copy(this.#bytes, this.#used, from, end);
    this.#used = needed;
    this.#entries++;
  }

  sortBuffer(): SortBuffer {
    const payload: Payload = { payload: this.#bytes.subarray(0, this.#used), entries: this.#entries };
    const buffer = new SortBuffer(RULES, { bytes: this.#used, entries: this.#entries });
    buffer.add(payload);
    return buffer;
  }
}

async function writeSorted(buffers: readonly SortBuffer[], out: RunWriter): Promise<void> {
  const breath = new Breath({});
  const within = { groupAt: 0, identityAt: 0, identityEnd: 0, end: 0 };
  const place = { table: 0, group: 0, identityAt: 0, identityEnd: 0, end: 0 };
  for (const { buffer, bucket } of bucketsOf(buffers)) {
    const { bytes } = buffer;
    const groupBytes = varintBytes(bucket.group);
    const tableBytes = varintBytes(bucket.table);
    place.table = bucket.table;
    place.group = bucket.group;
    for (let nth = bucket.from; nth < bucket.from + bucket.entries; nth++) {
      buffer.place(nth, groupBytes, within);
      place.identityAt = within.identityAt;
      place.identityEnd = within.identityEnd;
      place.end = within.end;
      const from = within.groupAt - tableBytes;
      out.entry(bytes, place, from);
      if (out.crowded) await out.room();
      if (breath.spent(place.end - from)) await breath.take();
    }
  }
}

/** The buckets of all, in order. */
function* bucketsOf(
  buffers: readonly SortBuffer[],
): Generator<{ readonly buffer: SortBuffer; readonly bucket: Bucket }> {
  const next = (buckets: Iterator<Bucket>) => buckets.next().value as Bucket | undefined;
  const turns = buffers.map((buffer) => {
    const buckets = buffer.sorted();
    return { buffer, buckets, bucket: next(buckets) };
  });
  for (;;) {
    let lowest: (typeof turns)[number] | undefined;
    for (const turn of turns)
      if (turn.bucket !== undefined && !(lowest?.bucket !== undefined && before(lowest.bucket, turn.bucket)))
        lowest = turn;
    if (lowest?.bucket === undefined) return;
    yield { buffer: lowest.buffer, bucket: lowest.bucket };
    lowest.bucket = next(lowest.buckets);
  }
}

function before(a: Bucket, b: Bucket): boolean {
  return a.table < b.table || (a.table === b.table && a.group < b.group);
}
