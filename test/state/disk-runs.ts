/** A disk backend with its runs in a folder of the real disk: drains sorted, written and merged as in a job. */
import { realDisk, realSyncDisk } from '../../src/base/real-disk.js';
import type { Key } from '../../src/codec/key.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { valueCodec } from '../../src/codec/value.js';
import { EntryWriter } from '../../src/format/entry.js';
import { segmentPath } from '../../src/format/segment.js';
import type { KeyedBackend, StateTable, StepTime } from '../../src/state/backend.js';
import { DiskState } from '../../src/state/disk/disk-state.js';
import { DeltaWriter } from '../../src/store/delta-writer.js';
import { mergeRuns } from '../../src/store/merge.js';
import { pickMerge } from '../../src/store/pick-merge.js';
import { RunReader } from '../../src/store/run-reader.js';
import { RunWriter, type WrittenRun } from '../../src/store/run-writer.js';
import { groupOf, MAX_PARALLELISM } from './harness.js';

const CHUNK_BYTES = 256 * 1024;
const NONE: ReadonlySet<number> = new Set();

interface Chunk {
  readonly bytes: Buffer;
  readonly used: number;
  readonly entries: number;
}

export class DiskRuns {
  readonly folder: string;
  readonly state: DiskState;
  readonly backend: KeyedBackend;
  readonly keys = keyCodecById('auto');
  readonly time: StepTime = { now: 0 };
  /** Oldest first. */
  runs: WrittenRun[] = [];

  constructor(
    folder: string,
    cacheBytes: number,
    states: readonly Pick<StateTable, 'kind' | 'initial' | 'ttl'>[],
  ) {
    const { keys } = this;
    this.folder = folder;
    this.state = new DiskState({ disk: realSyncDisk, folder, cacheBytes });
    this.backend = this.state.create({
      range: { start: 0, end: MAX_PARALLELISM - 1 },
      maxParallelism: MAX_PARALLELISM,
      subtask: 0,
      keys,
      snapshots: 'changes',
      states: states.map((state, table) => ({
        ...state,
        table,
        name: `state ${table}`,
        codec: valueCodec,
        ...(state.kind === 'map' ? { mapKeys: keys } : {}),
      })),
      timers: [],
      time: this.time,
    });
  }

  select(key: Key): void {
    this.backend.select(key, this.keys.identity(key), groupOf(key));
  }

  /** Reads from runs that another wrote. */
  take(runs: readonly WrittenRun[]): void {
    this.runs = [...runs];
    this.state.setRuns(runs.map(({ name }) => name));
    const tables = runs.flatMap((run) => run.tables.map(({ table }) => table));
    this.state.adopt(
      [...new Set(tables)].map((id) => ({
        id,
        subtasks: [runs.reduce((sum, run) => sum + liveOf(run, id), 0)],
      })),
    );
  }

  /** Freezes, drains, writes, keeps, and merges what should be. */
  async flush(): Promise<void> {
    const chunks: Chunk[] = [];
    const pool = {
      take: (bytes: number) => Buffer.allocUnsafeSlow(bytes),
      full: (bytes: Buffer, used: number, entries: number) => chunks.push({ bytes, used, entries }),
    };
    const out = new EntryWriter(pool, CHUNK_BYTES);
    const drain = this.backend.freeze(out);
    const delta = new DeltaWriter({ disk: realDisk, folder: this.folder, unkeyed: NONE, register() {} });
    for (let done = false; !done; ) {
      done = drain.slice(() => chunks.length > 0);
      if (done) out.flush();
      for (const { bytes, used, entries } of chunks.splice(0)) await delta.add(bytes, used, entries);
    }
    this.runs.push(...(await delta.finish()));
    this.#show();
    this.backend.settle(true);
    for (let range = pickMerge(this.runs); range !== undefined; range = pickMerge(this.runs)) {
      await this.#merge(range.from, range.to);
    }
  }

  async #merge(from: number, to: number): Promise<void> {
    const inputs = this.runs.slice(from, to);
    const readers: RunReader[] = [];
    for (const { name } of inputs) readers.push(await RunReader.openFile(realDisk, this.folder, name));
    const out = await RunWriter.create(realDisk, this.folder);
    await mergeRuns(readers, out, {
      unkeyed: NONE,
      keepUnkeyed: 'none',
      dropTombstones: from === 0,
      expiredAt: BigInt(this.time.now),
    });
    for (const reader of readers) await reader.close();
    this.runs.splice(from, inputs.length, await out.finish(() => undefined));
    this.#show();
    const kept = new Set(this.runs.map(({ name }) => name));
    for (const { name } of inputs) if (!kept.has(name)) await realDisk.remove(segmentPath(this.folder, name));
  }

  #show(): void {
    this.state.setRuns(this.runs.map(({ name }) => name));
  }
}

/** Right where no run has an entry of another. */
function liveOf(run: WrittenRun, id: number): number {
  const stats = run.tables.find(({ table }) => table === id);
  return stats === undefined ? 0 : stats.entries - 2 * stats.tombstones;
}
