/** A snapshot as a savepoint's archive, and what is read from that. */
import { openArchive } from '../../src/archive/read.js';
import { writeArchive } from '../../src/archive/write.js';
import { operatorId } from '../../src/base/operator-id.js';
import type { Entry } from '../../src/format/entry.js';
import { graphFacts } from '../../src/job/graph-facts.js';
import type { Dataflow } from '../../src/runtime/dataflow.js';
import type { Table } from '../../src/runtime/tables.js';
import { Blocks, PROVENANCE } from '../archive/blocks.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import { writeEntry } from '../state/disk-files.js';
import { entriesIn, type Saved } from './history.js';

const PATH = '/a.tar';

export interface Archived {
  readonly saved: Saved;
  /** Names the state. */
  readonly digest: string;
}

/** Transactions are left out, as in every savepoint: they must be committed. */
export async function throughArchive(saved: Saved, dataflow: Dataflow): Promise<Archived> {
  const disk = new FaultyDisk();
  await disk.mkdir('/spool');
  const { maxParallelism, barrierTime } = saved;
  const blocks = new Blocks();
  for (const entry of saved.entries) writeEntry(blocks.out, entry);
  const { operators } = graphFacts(dataflow.compiled.graph, dataflow, '/');
  const prepared = await writeArchive({
    disk,
    spoolFolder: '/spool',
    tables: saved.tables.map((table) => ({ ...table, entries: 0, bytes: 0 })),
    operators: operators.map((operator) => ({
      ...operator,
      operatorId: operatorId(operator.uid),
      maxParallelism,
    })),
    blocks,
    kind: 'savepoint',
    drained: false,
    provenance: { ...PROVENANCE, checkpointId: saved.checkpoint, barrierTime },
    output: { path: PATH },
  });
  await prepared.commit();
  const archive = await openArchive(disk, PATH);
  try {
    const entries: Entry[] = [];
    for await (const { payload } of archive.blocks()) entries.push(...entriesIn(Buffer.from(payload)));
    const { tables, digest } = archive.manifest;
    return { saved: { ...saved, tables: tables as readonly Table[], entries }, digest };
  } finally {
    await archive.close();
  }
}
