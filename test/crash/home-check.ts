/** Looks at a home from outside, in this process: what its one job's last checkpoint holds, and which files lie there. */
import { readdirSync } from 'node:fs';
import { viewEntry } from '../../src/archive/entries-view.js';
import { present } from '../../src/base/assert.js';
import { systemClock } from '../../src/base/clock.js';
import { homePaths } from '../../src/base/home.js';
import { systemRandom } from '../../src/base/random.js';
import { Catalog } from '../../src/catalog/catalog.js';
import type { CheckpointRecord, JobRecord } from '../../src/catalog/records.js';
import { viewCheckpoint } from '../../src/cli/snapshot-view.js';
import { isKeyed } from '../../src/format/manifest.js';
import { entryText } from './deeds-oracle.js';

export function withCatalog<T>(home: string, use: (catalog: Catalog) => T): T {
  const places = homePaths(home);
  const catalog = Catalog.open(places, { create: false, clock: systemClock, random: systemRandom });
  const close = () => catalog.close();
  let result: T;
  try {
    result = use(catalog);
  } catch (error) {
    close();
    throw error;
  }
  if (result instanceof Promise) return result.finally(close) as T;
  close();
  return result;
}

export function onlyJob(catalog: Catalog): JobRecord {
  const [job, ...more] = catalog.jobs({ all: true });
  if (more.length > 0) throw new Error(`${more.length + 1} jobs in ${catalog.home.root}`);
  return present(job, 'a job');
}

export interface SeenCheckpoint {
  readonly record: CheckpointRecord;
  /** Of the source's splits, by their number. */
  readonly positions: readonly number[];
  /** Keyed entries, sorted, as the oracle writes them. */
  readonly entries: readonly string[];
}

/** The last completed checkpoint of the only job, as `inspect` shows it; undefined before the first. */
export async function seeCheckpoint(catalog: Catalog): Promise<SeenCheckpoint | undefined> {
  if (catalog.jobs({ all: true }).length === 0) return undefined;
  const job = onlyJob(catalog);
  const record = catalog.lastCompleted(job.id);
  if (record === undefined) return undefined;
  const view = viewCheckpoint(catalog, job.id, record.id, systemClock.now());
  try {
    const entries: string[] = [];
    const positions: number[] = [];
    for (const table of view.tables) {
      const operator = present(
        view.operators.find(({ uid }) => uid === table.operator),
        `the operator of table ${table.id}`,
      );
      if (!isKeyed(table.kind)) continue;
      for await (const entry of view.entries(table)) {
        const { state, key, mapKey, value } = viewEntry(entry, table, operator);
        entries.push(entryText(state, key, mapKey, value));
      }
    }
    for (const { splits } of (await view.summary()).operators)
      for (const { id, position } of splits)
        positions[Number(id)] = (position as unknown as { readonly done: number }).done;
    return { record, positions, entries: entries.sort() };
  } finally {
    await view.close();
  }
}

/** The names in the folder of segments: whole ones, and unfinished ones. */
export function segmentFiles(home: string): { readonly whole: string[]; readonly unfinished: string[] } {
  const names = readdirSync(homePaths(home).segments).sort();
  const whole = names.filter((name) => name.endsWith('.seg'));
  return { whole, unfinished: names.filter((name) => !name.endsWith('.seg')) };
}

/** The files that completed checkpoints refer to. */
export function referredFiles(catalog: Catalog): string[] {
  const records = catalog.jobs({ all: true }).flatMap(({ id }) => catalog.checkpoints(id));
  const kept = records.filter(({ state }) => state === 'completed');
  return [...new Set(kept.flatMap(({ segments }) => segments))].map((name) => `${name}.seg`).sort();
}
