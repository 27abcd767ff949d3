/** Archives in memory and on the real disk, for tests. */

import { viewEntry } from '../../src/archive/entries-view.js';
import type { Archive } from '../../src/archive/read.js';
import { type WriteArchiveOptions, writeArchive } from '../../src/archive/write.js';
import { present } from '../../src/base/assert.js';
import { realDisk } from '../../src/base/real-disk.js';
import { ByteReader } from '../../src/codec/reader.js';
import { readEntry } from '../../src/format/entry.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import { PROVENANCE } from './blocks.js';
import { everything, OPERATORS, TABLES } from './everything.js';

export const PATH = '/out/a.tar';

/** A disk in memory with the folders that `optionsFor` names. */
export async function memoryDisk(): Promise<FaultyDisk> {
  const disk = new FaultyDisk();
  await disk.mkdir('/spool');
  await disk.mkdir('/out');
  return disk;
}

export function optionsFor(
  disk: FaultyDisk,
  changed: Partial<WriteArchiveOptions> = {},
): WriteArchiveOptions {
  return {
    disk,
    spoolFolder: '/spool',
    operators: OPERATORS,
    tables: TABLES,
    blocks: everything(),
    kind: 'savepoint',
    drained: false,
    provenance: PROVENANCE,
    output: { path: PATH },
    ...changed,
  };
}

/** The bytes of an archive. */
export async function archiveOf(changed: Partial<WriteArchiveOptions> = {}): Promise<Buffer> {
  const disk = await memoryDisk();
  const archive = await writeArchive(optionsFor(disk, changed));
  await archive.commit();
  return present(disk.peek(PATH), 'the archive');
}

/** A disk in memory with this file in it. */
export function diskWith(bytes: Uint8Array): FaultyDisk {
  const disk = new FaultyDisk();
  disk.plant(PATH, bytes);
  return disk;
}

/** Every entry as JSON, in the order read. */
export async function entriesOfArchive(
  archive: Archive,
  range?: Parameters<Archive['blocks']>[0],
): Promise<string[]> {
  const { operators, tables } = archive.manifest;
  const lines: string[] = [];
  for await (const { payload, entries } of archive.blocks(range)) {
    const from = new ByteReader(payload);
    let count = 0;
    for (; from.remaining > 0; count++) {
      const entry = readEntry(from);
      const table = present(tables[entry.table], 'a table');
      const operator = present(
        operators.find(({ uid }) => uid === table.operator),
        'an operator',
      );
      lines.push(JSON.stringify(viewEntry(entry, table, operator)));
    }
    if (count !== entries) throw new Error(`${entries} entries expected, ${count} found`);
  }
  return lines;
}

export { realDisk };
