/** Statements about savepoints and externalized checkpoints: the files belong to the user, the list is ours. */
import type { CatalogContext } from './context.js';
import type { SavepointRecord } from './records.js';
import { RowReader } from './row.js';

const KINDS = ['savepoint', 'stop', 'checkpoint'] as const;
const LAYOUTS = ['canonical', 'native'] as const;

/** Remembers one that stands under its final name. */
export function recordSavepoint({ db }: CatalogContext, savepoint: SavepointRecord): void {
  db.run(
    `INSERT INTO savepoints (job, checkpoint, kind, layout, path, digest, bytes, taken_at, reason)
       VALUES (@job, @checkpoint, @kind, @layout, @path, @digest, @bytes, @takenAt, @reason)`,
    { ...savepoint, reason: savepoint.reason ?? null },
  );
}

/** For one that was only ever ours: its file is removed, and nobody is to look for it. */
export function forgetSavepoint({ db }: CatalogContext, job: string, path: string): void {
  db.run('DELETE FROM savepoints WHERE job = ? AND path = ?', [job, path]);
}

/** Oldest first; of one job, or of all. Whether the file is still there is for the caller to see. */
export function listSavepoints({ db }: CatalogContext, job?: string): SavepointRecord[] {
  const rows = db.all('SELECT * FROM savepoints WHERE @job IS NULL OR job = @job ORDER BY id', {
    job: job ?? null,
  });
  return rows.map((row) => {
    const read = new RowReader('savepoints', String(row['id']), row);
    return {
      job: read.text('job'),
      checkpoint: read.count('checkpoint'),
      kind: read.oneOf('kind', KINDS),
      layout: read.oneOf('layout', LAYOUTS),
      path: read.text('path'),
      digest: read.text('digest'),
      bytes: read.count('bytes'),
      takenAt: read.count('taken_at'),
      reason: read.maybe('reason', read.text),
    };
  });
}
