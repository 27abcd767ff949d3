/** Statements about jobs: making, finding, listing. */
import { assert } from '../base/assert.js';
import { TidemarkError } from '../base/errors.js';
import { newJobId } from '../base/ids.js';
import type { CatalogContext } from './context.js';
import { makeFolder } from './home.js';
import { readJob, type StoredJob, storedJob, withLost } from './job-row.js';
import { isLive, isOver } from './job-state.js';
import type { FrozenJob, JobOrigin, JobRecord } from './records.js';

const JOB_FOLDER_MODE = 0o700;
/** How many ids are tried; two of one second meet once in 2^35. */
const ID_TRIES = 4;
/** How many candidates an ambiguous reference shows. */
const SHOWN = 5;

const INSERT = `
INSERT INTO jobs (id, name, definition, bundle, params, cwd, settings, parallelism, max_parallelism,
                  state, epoch, restarts, last_checkpoint, created_at, origin, git_commit)
VALUES (@id, @name, @definition, @bundle, @params, @cwd, @settings, @parallelism, @maxParallelism,
        'created', 0, 0, @lastCheckpoint, @createdAt, @origin, @gitCommit)`;

/** A job that begins from a snapshot: where that is, and the id its checkpoints go on counting from. */
export interface Beginning {
  readonly origin: JobOrigin;
  readonly lastCheckpoint: number;
  /** Of {@link reserveJob}. */
  readonly id?: string;
}

/**
 * An id, with its folder, for a job that is created a little later. Who does not come to that removes the folder; the
 * job's lock, held meanwhile, says that somebody is about to.
 * @throws NAME_TAKEN as {@link createJob}, which may still refuse it
 */
export function reserveJob(context: CatalogContext, name: string): string {
  refuseTakenName(context, name);
  const id = freshId(context);
  makeFolder(context.home.job(id).folder, JOB_FOLDER_MODE);
  return id;
}

const HOLDS_NAME = `SELECT * FROM jobs WHERE name = ? AND state NOT IN ('finished', 'canceled', 'failed')`;

/**
 * Freezes a job, and makes its folder. The name has passed `jobNameProblem`.
 * Until its runner holds the job's lock it is shown as `lost`.
 * @throws NAME_TAKEN when a job that is not finished, canceled or failed has the name.
 */
export function createJob(context: CatalogContext, frozen: FrozenJob, beginning?: Beginning): JobRecord {
  const { db, clock } = context;
  const id = db.transaction(() => {
    refuseTakenName(context, frozen.name);
    const fresh = beginning?.id ?? freshId(context);
    makeFolder(context.home.job(fresh).folder, JOB_FOLDER_MODE);
    db.run(INSERT, {
      id: fresh,
      name: frozen.name,
      definition: frozen.definition,
      bundle: frozen.bundle,
      gitCommit: frozen.gitCommit ?? null,
      params: JSON.stringify(frozen.params),
      cwd: frozen.cwd,
      settings: JSON.stringify(frozen.settings),
      parallelism: frozen.parallelism,
      maxParallelism: frozen.maxParallelism,
      createdAt: clock.now(),
      lastCheckpoint: beginning?.lastCheckpoint ?? 0,
      origin: beginning === undefined ? null : JSON.stringify(beginning.origin),
    });
    return fresh;
  });
  return storedJob(context, id);
}

/** What mended code changes of a frozen job. */
export type MendedCode = Pick<FrozenJob, 'definition' | 'bundle' | 'gitCommit' | 'params'>;

/** Gives a job other code to go on with. The caller holds its lock, or knows that nobody does. */
export function replaceDefinition(context: CatalogContext, id: string, mended: MendedCode): JobRecord {
  const { db } = context;
  db.transaction(() => {
    const job = storedJob(context, id);
    if (isOver(job.state))
      throw new TidemarkError('JOB_ENDED', `job ${job.name} (${id}) is ${job.state}, which is for good`);
    db.run('UPDATE jobs SET definition = ?, bundle = ?, git_commit = ?, params = ? WHERE id = ?', [
      mended.definition,
      mended.bundle,
      mended.gitCommit ?? null,
      JSON.stringify(mended.params),
      id,
    ]);
  });
  return storedJob(context, id);
}

/** @throws NAME_TAKEN unless the name is free, or held by `except`. */
export function refuseTakenName(context: CatalogContext, name: string, except?: string): void {
  const row = context.db.get(HOLDS_NAME, [name]);
  if (row === undefined) return;
  const holder = withLost(context, readJob(row));
  if (holder.id === except) return;
  const goOn = isLive(holder.state) ? '' : `tidemark resume ${name}, or `;
  throw new TidemarkError('NAME_TAKEN', `the job ${name} (${holder.id}) is ${holder.state}`, {
    hint: `${goOn}tidemark cancel ${name}, or give the new one another name: --name NAME`,
  });
}

function freshId({ db, clock, random }: CatalogContext): string {
  for (let tries = 0; tries < ID_TRIES; tries++) {
    const id = newJobId(clock, random);
    if (db.get('SELECT 1 FROM jobs WHERE id = ?', [id]) === undefined) return id;
  }
  assert(false, `${ID_TRIES} random ids in a row are taken`);
}

/**
 * A job by its name (the one that holds it, else the newest that had it), its id or a unique prefix of the id.
 * @throws JOB_NOT_FOUND, or JOB_AMBIGUOUS when a prefix fits several.
 */
export function findJob(context: CatalogContext, reference: string): JobRecord {
  const found = byName(context, reference) ?? byPrefix(context, reference);
  if (found !== undefined) return withLost(context, found);
  throw new TidemarkError('JOB_NOT_FOUND', `no job ${JSON.stringify(reference)} in ${context.home.root}`, {
    hint: 'tidemark list --all',
  });
}

function byName({ db }: CatalogContext, name: string): StoredJob | undefined {
  const newest = 'SELECT * FROM jobs WHERE name = ? ORDER BY rank DESC LIMIT 1';
  const row = db.get(HOLDS_NAME, [name]) ?? db.get(newest, [name]);
  return row === undefined ? undefined : readJob(row);
}

function byPrefix({ db }: CatalogContext, prefix: string): StoredJob | undefined {
  if (prefix === '') return undefined;
  const rows = db.all(
    'SELECT * FROM jobs WHERE substr(id, 1, length(@prefix)) = @prefix ORDER BY rank DESC LIMIT @most',
    { prefix, most: SHOWN },
  );
  const [first, second] = rows;
  if (first === undefined || second === undefined) return first === undefined ? undefined : readJob(first);
  const candidates = rows.map((row) => `${row['id']} (${row['name']})`).join(', ');
  throw new TidemarkError('JOB_AMBIGUOUS', `${JSON.stringify(prefix)} begins the ids of ${candidates}`, {
    hint: 'give more of the id',
  });
}

/** Newest first; without `all`, those that are neither finished nor canceled. */
export function listJobs(context: CatalogContext, { all }: { readonly all: boolean }): JobRecord[] {
  const some = all ? '' : "WHERE state NOT IN ('finished', 'canceled')";
  const rows = context.db.all(`SELECT * FROM jobs ${some} ORDER BY rank DESC`);
  return rows.map((row) => withLost(context, readJob(row)));
}
