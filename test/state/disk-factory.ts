/**
 * Disk backends for the contract suites: each with a store of its own, whose runs are written as soon as a drain is
 * kept, and merged now and then. Asked for snapshots of all, it keeps none, so that each holds all there is.
 */
import { present } from '../../src/base/assert.js';
import type { Entry, EntryWriter } from '../../src/format/entry.js';
import type { Expiry } from '../../src/format/manifest.js';
import type { BackendOptions, Drain, KeyedBackend, TableCount } from '../../src/state/backend.js';
import type { AdoptedTable } from '../../src/state/disk/backend.js';
import { DiskState } from '../../src/state/disk/disk-state.js';
import { collector, FOLDER, MemoryFiles, merged, writeEntry } from './disk-files.js';
import type { BackendFactory } from './harness.js';

export interface DiskSetup {
  readonly cacheBytes: number;
  /** Merges some runs after every so many. */
  readonly mergeEvery: number;
  readonly rowsPerLook?: number;
}

export function diskFactory(setup: DiskSetup): BackendFactory {
  return (options) => new Kept(setup, options).keyed;
}

/** A disk backend and its runs. */
export class Kept {
  readonly all: boolean;
  readonly state: DiskState;
  readonly backend: KeyedBackend;
  /** The backend as a suite sees it. */
  readonly keyed: KeyedBackend;
  readonly files: MemoryFiles;
  readonly #setup: DiskSetup;
  readonly #options: BackendOptions;
  /** Oldest first. */
  runs: { readonly name: string; readonly entries: readonly Entry[] }[];
  /** What was counted at the last freeze that was kept: what a manifest says. */
  counted: readonly TableCount[] | undefined;
  #installed = 0;

  /** `before`: what was lost with its process, but for its runs. */
  constructor(setup: DiskSetup, options: BackendOptions, before?: Kept) {
    const { cacheBytes, rowsPerLook = 64 } = setup;
    this.#setup = setup;
    this.#options = options;
    this.all = options.snapshots === 'all';
    this.files = before?.files ?? new MemoryFiles();
    this.runs = before?.runs ?? [];
    this.counted = before?.counted;
    this.state = new DiskState({ disk: this.files, folder: FOLDER, cacheBytes, rowsPerLook });
    this.backend = this.state.create({ ...options, snapshots: 'changes' });
    this.keyed = wrap(this);
    if (before !== undefined) this.#recover();
  }

  install(entries: readonly Entry[]): void {
    if (entries.length > 0) this.runs.push({ name: this.files.write(entries), entries });
    const { mergeEvery } = this.#setup;
    if (this.#installed++ % mergeEvery === mergeEvery - 1) this.#merge();
    this.state.setRuns(this.runs.map(({ name }) => name));
  }

  /** Merges a few neighbours, now here, now there. */
  #merge(): void {
    const from = (this.#installed * 7) % Math.max(1, this.runs.length);
    const some = this.runs.slice(from, from + 3);
    if (some.length < 2) return;
    const entries = merged(
      some.map((run) => run.entries),
      from === 0,
      this.#options.time.now,
    );
    const name = entries.length > 0 ? [{ name: this.files.write(entries), entries }] : [];
    this.runs.splice(from, some.length, ...name);
  }

  live(): Entry[] {
    return merged(
      this.runs.map(({ entries }) => entries),
      true,
      this.#options.time.now,
    );
  }

  /** Takes an entry of a state as if the store had held it at the start. */
  adopt(entry: Entry): void {
    this.install([entry]);
    this.#adopt([entry]);
  }

  /** As a recovery does: the runs, their counts, and the timers one by one. */
  #recover(): void {
    this.state.setRuns(this.runs.map(({ name }) => name));
    const live = this.live();
    if (this.counted === undefined) this.#adopt(live);
    else this.state.adopt(this.counted.filter(({ table }) => this.isState(table)).map(this.#asAdopted));
    for (const entry of live) {
      if (!this.isState(entry.table)) this.backend.restore(entry, entry.table, true);
    }
  }

  #adopt(live: readonly Entry[]): void {
    const counts = this.#options.states.map(({ table }) => {
      const own = live.filter((entry) => entry.table === table);
      return { table, entries: own.length, expiries: expiriesOf(own) };
    });
    this.state.adopt(counts.map(this.#asAdopted));
  }

  readonly #asAdopted = ({ table, entries, expiries = [] }: TableCount): AdoptedTable => {
    const { subtask } = this.#options;
    const others = subtask === 0 ? [] : new Array<never[]>(subtask).fill([]);
    return { id: table, subtasks: [...others.map(() => 0), entries], expiries: [...others, expiries] };
  };

  isState(table: number): boolean {
    return this.#options.states.some((state) => state.table === table);
  }
}

/** A span for each stamp. */
function expiriesOf(entries: readonly Entry[]): Expiry[] {
  const counts = new Map<number, number>();
  for (const { stamp } of entries)
    if (stamp !== undefined) counts.set(Number(stamp), (counts.get(Number(stamp)) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => a - b).map(([stamp, count]) => [stamp - 1, stamp, count]);
}

function wrap(kept: Kept): KeyedBackend {
  const { backend } = kept;
  let drained: readonly Entry[] | undefined;
  let counted: readonly TableCount[] = [];
  return {
    select: (key, identity, group, hash) => backend.select(key, identity, group, hash),
    state: (index) => backend.state(index),
    timer: (index) => backend.timer(index),
    nextTimer: (time) => backend.nextTimer(time),
    fireTimer: (time, now) => backend.fireTimer(time, now),
    dropTimers: () => backend.dropTimers(),
    expire: (most) => backend.expire(most),
    counts: () => backend.counts(),
    freeze(out) {
      drained = undefined;
      counted = backend.counts();
      return drainTo(kept, out, (entries) => {
        drained = entries;
      });
    },
    settle(isKept) {
      if (isKept) {
        kept.install(present(drained, 'a drain that is done'));
        kept.counted = counted;
      }
      backend.settle(isKept);
    },
    restore(entry, table = entry.table, isKept = false) {
      if (!isKept || kept.all) backend.restore(entry, table);
      else if (kept.isState(table)) kept.adopt({ ...entry, ...copied(entry), table });
      else backend.restore(entry, table, true);
    },
  };
}

function copied({ key, mapKey, value }: Entry): Pick<Entry, 'key' | 'mapKey' | 'value'> {
  return { key: Buffer.from(key), mapKey: mapKey && Buffer.from(mapKey), value: Buffer.from(value) };
}

/**
 * What a drain writes, and kept for its settling; a snapshot of all is one that is never kept, so that all there is has
 * changed since the last that was.
 */
function drainTo(kept: Kept, out: EntryWriter, done: (entries: readonly Entry[]) => void): Drain {
  const { out: inner, entries } = collector();
  const drain = kept.backend.freeze(inner);
  let over = false;
  return {
    abort: () => drain.abort(),
    slice(deadline) {
      if (over) return true;
      if (!drain.slice(deadline)) return false;
      over = true;
      // The memory backend, which has the timers, writes a tombstone to be safe where a drain was not kept.
      const written = entries().filter(
        (entry) => !(kept.all && entry.tombstone && !kept.isState(entry.table)),
      );
      if (kept.all) kept.backend.settle(false);
      else done(written);
      for (const entry of written) writeEntry(out, entry);
      return true;
    },
  };
}
