/**
 * The golden archives of format version 1: small, every kind of table and every tag once. What a release has written
 * stays readable; they are added to, never made anew. This makes those that are missing:
 *
 *     node dist/test/archive/make-golden.js
 */
import { join, resolve } from 'node:path';
import type { TableShape } from '../../src/archive/table-list.js';
import { packSegments, writeArchive } from '../../src/archive/write.js';
import type { Disk } from '../../src/base/disk.js';
import { keyGroupOf } from '../../src/base/key-groups.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { valueCodec } from '../../src/codec/value.js';
import type { ManifestOperator, ManifestTable } from '../../src/format/manifest.js';
import { SegmentWriter, type WrittenSegment } from '../../src/format/segment.js';
import { Blocks, operator, PROVENANCE, table } from './blocks.js';
import { everything, OPERATORS, TABLES } from './everything.js';
import { type Chain, everythingTwice, liveBlocksIn, packInto, type Segment, writeRun } from './natives.js';

export const GOLDEN_FOLDER = resolve(import.meta.dirname, '../../../test/golden/format-v1');

const counts = [table(0, 'count', 'seen', 'number')];
const counter = [operator('count', 'process', 'string', 4)];

/** Makes an archive at a path, with temporary files in a folder. */
type Make = (disk: Disk, folder: string, path: string) => Promise<void>;

const provenance = { ...PROVENANCE, reason: 'golden', gitCommit: '0'.repeat(40) };

export const GOLDEN: Readonly<Record<string, Make>> = {
  'everything.tar': (disk, folder, path) =>
    canonical(disk, folder, path, { blocks: everything(), tables: TABLES, operators: OPERATORS }),
  'empty.tar': (disk, folder, path) =>
    canonical(disk, folder, path, { blocks: new Blocks(), tables: counts, operators: counter }),
  'counts.tar': (disk, folder, path) =>
    canonical(disk, folder, path, { blocks: countBlocks(12_000), tables: counts, operators: counter }),
  'drained.tar': (disk, folder, path) =>
    canonical(disk, folder, path, {
      blocks: countBlocks(3),
      tables: counts,
      operators: counter,
      drained: true,
    }),
  'native-full.tar': (disk, folder, path) =>
    native(disk, folder, path, [everything(2, 4096)], TABLES, OPERATORS, 'full'),
  /** One that nobody has written: its segments are in no order, as no chain's are. Kept to see that it is refused. */
  'native-incremental.tar': (disk, folder, path) =>
    native(disk, folder, path, [countBlocks(50), removals(50)], counts, counter, 'incremental'),
  'native-chain.tar': (disk, folder, path) =>
    ofRuns(disk, folder, path, { ...everythingTwice(), subtasks: true }),
  'native-sorted.tar': (disk, folder, path) => {
    const chain = everythingTwice();
    return ofRuns(disk, folder, path, { ...chain, runs: [liveBlocksIn(chain)], mode: 'full' });
  },
};

/** Those of the list that no reader takes. */
export const REFUSED: ReadonlySet<string> = new Set(['native-incremental.tar']);

function countBlocks(keys: number): Blocks {
  const blocks = new Blocks();
  for (let i = 0; i < keys; i++) blocks.value(0, `user-${i}`, (i * 7919) % 1000, 'string', 4);
  return blocks;
}

/** What an increment says: every third key changed, every fifth gone. */
function removals(keys: number): Blocks {
  const blocks = countBlocks(0);
  const codec = keyCodecById('string');
  const begin = (i: number) => {
    blocks.out.begin(0, keyGroupOf(codec.hash(`user-${i}`), 4));
    blocks.out.key(codec, `user-${i}`);
  };
  for (let i = 0; i < keys; i++) {
    if (i % 5 === 0) {
      begin(i);
      blocks.out.tombstone();
    } else if (i % 3 === 0) {
      begin(i);
      blocks.out.stamp(5n);
      blocks.out.value(valueCodec, -i);
    }
  }
  return blocks;
}

interface State {
  readonly blocks: Blocks;
  readonly tables: readonly TableShape[];
  readonly operators: readonly ManifestOperator[];
  readonly drained?: boolean;
}

async function canonical(disk: Disk, folder: string, path: string, state: State): Promise<void> {
  const drained = state.drained ?? false;
  const archive = await writeArchive({
    disk,
    spoolFolder: folder,
    kind: 'savepoint',
    provenance,
    output: { path },
    ...state,
    drained,
  });
  await archive.commit();
}

async function native(
  disk: Disk,
  folder: string,
  path: string,
  increments: readonly Blocks[],
  shapes: readonly TableShape[],
  operators: readonly ManifestOperator[],
  mode: 'full' | 'incremental',
): Promise<void> {
  const segments: WrittenSegment[] = [];
  for (const blocks of increments) {
    const writer = await SegmentWriter.create(disk, folder);
    for await (const { payload, entries } of blocks) await writer.append(payload, entries);
    segments.push(await writer.finish());
  }
  const sum = (of: (blocks: Blocks) => number) => increments.reduce((total, blocks) => total + of(blocks), 0);
  const tables: ManifestTable[] = shapes.map((shape) => ({
    ...shape,
    entries: sum(({ out }) => out.entriesOf(shape.id)),
    bytes: sum(({ out }) => out.bytesOf(shape.id)),
  }));
  const archive = await packSegments({
    disk,
    folder,
    segments,
    tables,
    operators,
    kind: 'checkpoint',
    mode,
    backend: 'memory',
    drained: false,
    provenance,
    output: { path },
  });
  await archive.commit();
}

/** Of sorted segments. */
async function ofRuns(disk: Disk, folder: string, path: string, chain: Chain): Promise<void> {
  const segments: Segment[] = [];
  for (const run of chain.runs) segments.push(await writeRun(disk, folder, run));
  await packInto(disk, folder, path, segments, { ...chain, provenance });
}

/** Where one lies. */
export function goldenPath(name: string): string {
  return join(GOLDEN_FOLDER, name);
}
