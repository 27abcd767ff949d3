import { openArchive } from '../archive/read.js';
import { realDisk } from '../base/real-disk.js';
import type { Table } from '../runtime/tables.js';
import type { TakenSnapshot } from './taken.js';

/** A savepoint as a snapshot in memory, for `testJob({ restore })`. Rejects with ARCHIVE_CORRUPT, FILE_NOT_FOUND. */
export async function snapshotFromArchive(path: string): Promise<TakenSnapshot> {
  const archive = await openArchive(realDisk, path);
  try {
    const { manifest, provenance } = archive;
    const types = new Map(manifest.operators.map(({ uid, keyType }) => [uid, keyType]));
    const chunks: { readonly payload: Buffer; readonly entries: number }[] = [];
    for await (const { payload, entries } of archive.blocks()) chunks.push({ payload, entries });
    return {
      checkpoint: provenance.checkpointId,
      barrierTime: provenance.barrierTime,
      maxParallelism: manifest.operators[0]?.maxParallelism ?? 128,
      // Kinds that this version does not write are refused where their entries are met.
      tables: manifest.tables.map(
        (table): Table => ({ ...table, keyType: types.get(table.operator) ?? null }),
      ),
      chunks,
    };
  } finally {
    await archive.close();
  }
}
