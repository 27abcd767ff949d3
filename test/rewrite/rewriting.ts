/** Rewrites archives on a disk in memory, and reads what came of it. */
import assert from 'node:assert/strict';
import { type Archive, openArchive } from '../../src/archive/read.js';
import { verifyArchive } from '../../src/archive/verify.js';
import { type WriteArchiveOptions, writeArchive } from '../../src/archive/write.js';
import { present } from '../../src/base/assert.js';
import { TidemarkError } from '../../src/base/errors.js';
import { nameProblem } from '../../src/graph/names.js';
import { type RewriteOptions, type Rewritten, rewriteArchive } from '../../src/rewrite/rewrite.js';
import type { RewriteRequest } from '../../src/rewrite/rewrite-plan.js';
import { type EntryMapper, type MapFunction, TableMap } from '../../src/rewrite/table-map.js';
import { diskWith, entriesOfArchive, memoryDisk, optionsFor, PATH } from '../archive/archives.js';
import type { FaultyDisk } from '../helpers/faulty-disk.js';

export const OUT = '/out/new.tar';
export const NOW = 1_800_000_000_000;

export type Request = Partial<RewriteRequest>;
export type More = Partial<Omit<RewriteOptions, 'edits' | 'request'>> & {
  readonly edits?: string | AsyncIterable<Uint8Array>;
  /** Maps by file, run here. */
  readonly maps?: Readonly<Record<string, MapFunction>>;
};

/** Not committed. */
export async function prepared(disk: FaultyDisk, request: Request, more: More = {}): Promise<Rewritten> {
  const { edits, maps = {}, ...rest } = more;
  return await rewriteArchive({
    disk,
    input: PATH,
    output: { path: OUT },
    spoolFolder: '/spool',
    request: { rename: [], drop: [], filter: [], map: [], maxParallelism: undefined, ...request },
    edits: typeof edits === 'string' ? pieces(edits) : edits,
    startMapper: async (tables) => mapperHere(tables, maps),
    nameProblem,
    reason: 'a test',
    toolVersion: '9.9.9',
    now: NOW,
    ...rest,
  });
}

/** The new archive, which is checked to be whole; the disk holds it at {@link PATH} in the place of the old one. */
export async function rewritten(disk: FaultyDisk, request: Request, more: More = {}): Promise<Rewritten> {
  const result = await prepared(disk, request, more);
  await present(result.prepared, 'an archive').commit();
  const bytes = present(disk.peek(OUT), 'the archive');
  assert.deepEqual((await verifyArchive(disk, OUT)).findings, []);
  await disk.remove(OUT);
  disk.plant(PATH, bytes);
  return result;
}

function mapperHere(
  tables: Parameters<RewriteOptions['startMapper']>[0],
  maps: Readonly<Record<string, MapFunction>>,
): EntryMapper {
  const byTable = new Map(
    tables.map(({ table, operator, file }) => [
      table.id,
      new TableMap(table, operator, present(maps[file], file), () => undefined),
    ]),
  );
  return {
    async map(block) {
      return present(byTable.get(block.table), 'a map').apply(block, () => undefined);
    },
    async close() {},
  };
}

/** In pieces that end anywhere. */
export async function* pieces(text: string, size = 7): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function diskOf(changed: Partial<WriteArchiveOptions> = {}): Promise<FaultyDisk> {
  const disk = await memoryDisk();
  await (await writeArchive(optionsFor(disk, changed))).commit();
  return disk;
}

export async function withArchive<T>(disk: FaultyDisk, use: (archive: Archive) => Promise<T>): Promise<T> {
  const archive = await openArchive(disk, PATH);
  try {
    return await use(archive);
  } finally {
    await archive.close();
  }
}

export interface Line {
  readonly operator: string;
  readonly state: string;
  readonly keyGroup: number | null;
  readonly key: unknown;
  readonly namespace: unknown;
  readonly mapKey?: unknown;
  readonly value: unknown;
  readonly expires?: unknown;
}

/** All entries as inspect shows them. */
export async function linesIn(disk: FaultyDisk): Promise<Line[]> {
  const lines = await withArchive(disk, (archive) => entriesOfArchive(archive));
  return lines.map((line) => JSON.parse(line));
}

/** Sorted text, without key groups: for archives whose groups differ. */
export function withoutGroups(lines: readonly Line[]): string[] {
  return lines.map(({ keyGroup: _, ...rest }) => JSON.stringify(rest)).sort();
}

export function digestOf(disk: FaultyDisk): Promise<string> {
  return withArchive(disk, async ({ manifest }) => manifest.digest);
}

/** The error of a rewrite that is refused, of which nothing stays on the disk. */
export async function refusal(disk: FaultyDisk, request: Request, more: More = {}): Promise<TidemarkError> {
  const before = disk.paths();
  let error: unknown;
  try {
    const { prepared: archive } = await prepared(disk, request, more);
    await archive?.discard();
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error instanceof TidemarkError, `expected a refusal, found ${String(error)}`);
  assert.ok(error.hint !== undefined && error.hint !== '', error.message);
  assert.deepEqual(disk.paths(), before);
  return error;
}

export { diskWith };
