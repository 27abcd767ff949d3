/** `tidemark snapshots [job]` */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EXIT, systemCode, TidemarkError } from '../../base/errors.js';
import { realDisk } from '../../base/real-disk.js';
import { formatBytes } from '../../base/size.js';
import type { Catalog } from '../../catalog/catalog.js';
import type { JobRecord, SavepointRecord } from '../../catalog/records.js';
import type { Context, Given } from '../context.js';
import { printable } from '../printer.js';
import { withCatalog } from '../session.js';
import { table } from '../table.js';
import { ago } from '../text.js';

const COLUMNS = [
  { title: 'JOB' },
  { title: 'CHECKPOINT', right: true },
  { title: 'KIND' },
  { title: 'TAKEN' },
  { title: 'SIZE', right: true },
  { title: 'DIGEST' },
  { title: 'FILE' },
  { title: 'PATH' },
  { title: 'REASON' },
];

/** A savepoint, or an externalized checkpoint, that this home has taken. `file`: what is at its path now. */
interface SnapshotRow {
  readonly job: { readonly id: string; readonly name: string };
  readonly checkpointId: number;
  readonly kind: SavepointRecord['kind'];
  readonly layout: SavepointRecord['layout'];
  readonly path: string;
  readonly digest: string;
  readonly bytes: number;
  readonly takenAt: string;
  readonly reason: string | null;
  /**
   * `there`, which does not say that it is whole; `changed`: is another or none; `replaced`: by a later one of this list; `gone`; `stdout`: was sent there;
   * `unknown`: it cannot be looked at.
   */
  readonly file: 'there' | 'changed' | 'replaced' | 'gone' | 'stdout' | 'unknown';
}

export function run(given: Given, context: Context): Promise<number> {
  return withCatalog(context, false, async (catalog) => {
    const { printer, clock } = context;
    const [reference] = given.operands;
    const latest = new Map(catalog.savepoints().map((record) => [record.path, record.takenAt]));
    const rows: SnapshotRow[] = [];
    for (const [job, record] of taken(catalog, reference)) {
      const replaced = latest.get(record.path) !== record.takenAt;
      const file = replaced ? 'replaced' : await look(record, catalog.home.job(job.id).folder);
      rows.push(rowOf(job, record, file));
    }
    if (printer.json) await printer.document(rows);
    else if (rows.length > 0)
      await printer.data(
        table(
          COLUMNS,
          rows.map((row) => cells(row, clock.now())),
        ),
      );
    else
      printer.note(
        `no savepoint was taken ${reference === undefined ? `in ${catalog.home.root}` : `of ${reference}`}`,
      );
    return EXIT.done;
  });
}

/** Oldest first. A name stands for all jobs that have had it: a restored job has the name of the one before. */
function taken(
  catalog: Catalog,
  reference: string | undefined,
): readonly (readonly [JobRecord, SavepointRecord])[] {
  const jobs = catalog.jobs({ all: true });
  const named = jobs.filter(({ name }) => name === reference);
  const wanted = reference === undefined ? jobs : named.length > 0 ? named : [catalog.job(reference)];
  const byId = new Map(wanted.map((job) => [job.id, job]));
  return catalog.savepoints().flatMap((record) => {
    const job = byId.get(record.job);
    return job === undefined ? [] : [[job, record] as const];
  });
}

function rowOf(job: JobRecord, record: SavepointRecord, file: SnapshotRow['file']): SnapshotRow {
  const { checkpoint, kind, layout, path, digest, bytes, takenAt, reason } = record;
  return {
    job: { id: job.id, name: job.name },
    checkpointId: checkpoint,
    kind,
    layout,
    // As `savepoint` has printed it: where it was spooled is nobody's concern.
    path: file === 'stdout' ? '-' : path,
    digest,
    bytes,
    takenAt: new Date(takenAt).toISOString(),
    reason: reason ?? null,
    file,
  };
}

/** `folder`: where archives for stdout are written, and removed once they are sent. */
async function look(record: SavepointRecord, folder: string): Promise<SnapshotRow['file']> {
  const { path, bytes } = record;
  try {
    const found = await stat(path);
    return found.isFile() && found.size === bytes && (await isStill(record)) ? 'there' : 'changed';
  } catch (error) {
    const code = systemCode(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') return 'unknown';
    return dirname(path) === folder ? 'stdout' : 'gone';
  }
}

const NOT_OURS: ReadonlySet<string> = new Set(['ARCHIVE_CORRUPT', 'MANIFEST_CORRUPT', 'FORMAT_NEWER']);

/** By what the archive says of itself, which is quick: sizes are whole blocks, so that two are often equal. */
async function isStill({ path, digest, job, checkpoint }: SavepointRecord): Promise<boolean> {
  const { openArchive } = await import('../../archive/read.js');
  try {
    const archive = await openArchive(realDisk, path);
    await archive.close();
    const { manifest, provenance } = archive;
    return manifest.digest === digest && provenance.job.id === job && provenance.checkpointId === checkpoint;
  } catch (error) {
    if (error instanceof TidemarkError && NOT_OURS.has(error.code)) return false;
    throw error;
  }
}

function cells(row: SnapshotRow, now: number): readonly string[] {
  return [
    printable(row.job.name),
    String(row.checkpointId),
    row.layout === 'native' ? `${row.kind}, ${row.layout}` : row.kind,
    ago(row.takenAt, now),
    formatBytes(row.bytes),
    row.digest.slice(0, 12),
    row.file,
    printable(row.path),
    printable(row.reason ?? ''),
  ];
}
