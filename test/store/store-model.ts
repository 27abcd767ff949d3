/**
 * A store without bytes: runs are maps from key to size, merged as the real ones are and when `pickMerge` says so.
 * Counts what is written and what stands on the disk at the worst moment, merges under way and the last checkpoint
 * included.
 */
import { HARD_RUNS, LEAST_BYTES, MAX_RUNS, MAX_WASTE, pickMerge } from '../../src/store/pick-merge.js';

const TOMBSTONE_BYTES = 24;
const FILE_BYTES = 300;

/** Bytes of an entry, or undefined for a tombstone. */
export type Changes = ReadonlyMap<number, number | undefined>;

interface ModelRun {
  readonly name: string;
  readonly bytes: number;
  readonly tables: readonly { readonly entries: number; readonly tombstones: number }[];
  readonly changes: Changes;
}

interface Merge {
  readonly inputs: readonly ModelRun[];
  readonly output: ModelRun;
  /** Checkpoints that complete before it is done. */
  left: number;
}

export class StoreModel {
  runs: readonly ModelRun[] = [];
  /** The runs of the last checkpoint. */
  #retained: readonly ModelRun[] = [];
  #merge: Merge | undefined;
  readonly #live = new Map<number, number>();
  #liveBytes = 0;
  #named = 0;
  deltaBytes = 0;
  mergedBytes = 0;
  merges = 0;
  longest = 0;
  /** The greatest ratio of bytes on the disk to live ones, where those are not few. */
  space = 0;

  get liveBytes(): number {
    return this.#liveBytes;
  }

  get liveKeys(): readonly number[] {
    return [...this.#live.keys()];
  }

  /** Bytes written for each byte of a delta, its own included. */
  get amplification(): number {
    return (this.deltaBytes + this.mergedBytes) / this.deltaBytes;
  }

  /** One checkpoint; `slow` is how many more complete while a merge that it causes runs. */
  checkpoint(deltas: readonly Changes[], slow = 0): void {
    for (const changes of deltas) {
      const run = this.#run(changes);
      this.deltaBytes += run.bytes;
      this.runs = [...this.runs, run];
      this.#apply(changes);
    }
    this.longest = Math.max(this.longest, this.runs.length);
    this.#measure();
    this.#retained = this.runs;
    this.#work(slow);
  }

  /** Merges until there is nothing to merge. */
  rest(): void {
    this.#work(0);
    while (this.#merge !== undefined) {
      this.#merge.left = 0;
      this.#work(0);
    }
  }

  #work(slow: number): void {
    for (;;) {
      if (this.#merge !== undefined) {
        const waits = this.#merge.left-- > 0 && this.runs.length < HARD_RUNS;
        if (waits) return;
        this.#finish(this.#merge);
      }
      const range = pickMerge(this.runs);
      if (range === undefined) return this.#checkRest();
      const inputs = this.runs.slice(range.from, range.to);
      if (inputs.length < 2) throw new Error('a merge of less than two runs');
      const output = this.#run(merged(inputs, range.from === 0));
      this.#merge = { inputs, output, left: slow };
      this.merges++;
      this.mergedBytes += output.bytes;
      this.#measure();
    }
  }

  #finish({ inputs, output }: Merge): void {
    const from = this.runs.indexOf(inputs[0] as ModelRun);
    this.runs = [...this.runs.slice(0, from), output, ...this.runs.slice(from + inputs.length)];
    this.#merge = undefined;
  }

  #checkRest(): void {
    if (this.runs.length > MAX_RUNS) throw new Error(`${this.runs.length} runs at rest`);
    const bytes = this.runs.reduce((sum, run) => sum + run.bytes, 0);
    const base = this.runs[0]?.bytes ?? 0;
    if (bytes >= LEAST_BYTES && bytes - base > MAX_WASTE * base) throw new Error('wasteful at rest');
  }

  #run(changes: Changes): ModelRun {
    let bytes = FILE_BYTES;
    let tombstones = 0;
    for (const size of changes.values()) {
      bytes += size ?? TOMBSTONE_BYTES;
      if (size === undefined) tombstones++;
    }
    return { name: `${this.#named++}`, bytes, tables: [{ entries: changes.size, tombstones }], changes };
  }

  #apply(changes: Changes): void {
    for (const [key, size] of changes) {
      this.#liveBytes += (size ?? 0) - (this.#live.get(key) ?? 0);
      if (size === undefined) this.#live.delete(key);
      else this.#live.set(key, size);
    }
  }

  #measure(): void {
    if (this.#liveBytes < LEAST_BYTES) return;
    const files = new Set([...this.runs, ...this.#retained]);
    if (this.#merge !== undefined) files.add(this.#merge.output);
    let bytes = 0;
    for (const file of files) bytes += file.bytes;
    this.space = Math.max(this.space, bytes / this.#liveBytes);
  }
}

function merged(inputs: readonly ModelRun[], bottom: boolean): Changes {
  const all = new Map<number, number | undefined>();
  for (const { changes } of inputs) for (const [key, size] of changes) all.set(key, size);
  if (bottom) for (const [key, size] of all) if (size === undefined) all.delete(key);
  return all;
}
