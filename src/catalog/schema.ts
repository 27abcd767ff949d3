/**
 * The tables of the catalog, as numbered migrations. `user_version` counts those applied; `application_id` says
 * that the file is tidemark's. A migration is never edited once released; the next change is the next one.
 *
 * Invariants kept by the database itself: every table is STRICT; states are enumerated; numbers do not fall
 * below 0; hashes and ids look like such; JSON is JSON, and bounded; one job holds a name. `quick_check` at
 * every opening holds all rows against these, so that a damaged or forged catalog is refused before use.
 */

/** `tide` in ASCII. */
export const APPLICATION_ID = 0x74_69_64_65;

/** The longest JSON text in one column, in characters. */
export const MAX_JSON = 64 * 1024 * 1024;

const json = (column: string) => `json_valid(${column}) AND length(${column}) <= ${MAX_JSON}`;
const sha256 = (column: string) => `length(${column}) = 64 AND ${column} NOT GLOB '*[^0-9a-f]*'`;
const text = (column: string, most: number) => `length(${column}) BETWEEN 1 AND ${most}`;

const FIRST = `
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
  rank INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 12 AND id NOT GLOB '*[^0-9a-hjkmnp-tv-z]*'),
  name TEXT NOT NULL CHECK (${text('name', 63)} AND name NOT GLOB '*[^A-Za-z0-9_-]*'),
  definition TEXT NOT NULL,
  bundle TEXT NOT NULL CHECK (${sha256('bundle')}),
  params TEXT NOT NULL CHECK (${json('params')}),
  cwd TEXT NOT NULL,
  settings TEXT NOT NULL CHECK (${json('settings')}),
  parallelism INTEGER NOT NULL CHECK (parallelism BETWEEN 1 AND max_parallelism),
  max_parallelism INTEGER NOT NULL CHECK (max_parallelism <= 32768),
  state TEXT NOT NULL
    CHECK (state IN ('created', 'running', 'restarting', 'finished', 'canceled', 'failed', 'suspended')),
  ended_by TEXT CHECK (ended_by IN ('input', 'stop', 'cancel', 'signal', 'suspend', 'error')),
  epoch INTEGER NOT NULL CHECK (epoch >= 0),
  restarts INTEGER NOT NULL CHECK (restarts >= 0),
  last_checkpoint INTEGER NOT NULL CHECK (last_checkpoint >= 0),
  created_at INTEGER NOT NULL CHECK (created_at >= 0),
  started_at INTEGER CHECK (started_at >= 0),
  ended_at INTEGER CHECK (ended_at >= 0),
  error TEXT CHECK (${json('error')}),
  pid INTEGER CHECK (pid > 0),
  socket TEXT CHECK (${text('socket', 4096)}),
  metrics TEXT CHECK (${json('metrics')})
) STRICT;
CREATE UNIQUE INDEX jobs_name_held ON jobs (name) WHERE state NOT IN ('finished', 'canceled', 'failed');
CREATE INDEX jobs_name ON jobs (name);

CREATE TABLE attempts (
  job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  epoch INTEGER NOT NULL CHECK (epoch > 0),
  started_at INTEGER NOT NULL CHECK (started_at >= 0),
  ended_at INTEGER CHECK (ended_at >= 0),
  outcome TEXT CHECK (outcome IN ('finished', 'canceled', 'failed', 'suspended', 'lost')),
  error TEXT CHECK (${json('error')}),
  PRIMARY KEY (job, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
  job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  id INTEGER NOT NULL CHECK (id > 0),
  epoch INTEGER NOT NULL CHECK (epoch > 0),
  state TEXT NOT NULL CHECK (state IN ('pending', 'completed', 'failed', 'subsumed')),
  kind TEXT NOT NULL CHECK (kind IN ('periodic', 'asked', 'final', 'suspend', 'savepoint', 'stop')),
  layout TEXT NOT NULL CHECK (layout IN ('full', 'incremental')),
  triggered_at INTEGER NOT NULL CHECK (triggered_at >= 0),
  completed_at INTEGER CHECK (completed_at >= 0),
  committed_at INTEGER CHECK (committed_at >= 0),
  duration_ms REAL CHECK (duration_ms >= 0),
  longest_slice_ms REAL CHECK (longest_slice_ms >= 0),
  bytes_own INTEGER NOT NULL DEFAULT 0 CHECK (bytes_own >= 0),
  bytes_shared INTEGER NOT NULL DEFAULT 0 CHECK (bytes_shared >= 0),
  bytes_total INTEGER NOT NULL DEFAULT 0 CHECK (bytes_total >= 0),
  manifest TEXT CHECK (${json('manifest')}),
  error TEXT CHECK (${json('error')}),
  CHECK (state <> 'completed' OR (completed_at IS NOT NULL AND manifest IS NOT NULL)),
  PRIMARY KEY (job, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX checkpoints_state ON checkpoints (job, state, id);
CREATE INDEX checkpoints_pending ON checkpoints (job) WHERE state = 'pending';

CREATE TABLE segments (
  name TEXT PRIMARY KEY CHECK (${sha256('name')}),
  bytes INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoint_segments (
  job TEXT NOT NULL,
  checkpoint INTEGER NOT NULL,
  position INTEGER NOT NULL CHECK (position >= 0),
  segment TEXT NOT NULL REFERENCES segments (name),
  PRIMARY KEY (job, checkpoint, position),
  FOREIGN KEY (job, checkpoint) REFERENCES checkpoints (job, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX checkpoint_segments_segment ON checkpoint_segments (segment);

CREATE TABLE pins (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job TEXT NOT NULL,
  checkpoint INTEGER NOT NULL,
  who TEXT NOT NULL CHECK (${text('who', 200)}),
  why TEXT NOT NULL CHECK (${text('why', 200)}),
  until INTEGER CHECK (until >= 0),
  FOREIGN KEY (job, checkpoint) REFERENCES checkpoints (job, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX pins_checkpoint ON pins (job, checkpoint);
`;

/** Savepoints, and jobs that began from one. */
const SECOND = `
ALTER TABLE jobs ADD COLUMN origin TEXT CHECK (${json('origin')});

CREATE TABLE savepoints (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  checkpoint INTEGER NOT NULL CHECK (checkpoint > 0),
  kind TEXT NOT NULL CHECK (kind IN ('savepoint', 'stop', 'checkpoint')),
  layout TEXT NOT NULL CHECK (layout IN ('canonical', 'native')),
  path TEXT NOT NULL CHECK (${text('path', 4096)}),
  digest TEXT NOT NULL CHECK (${sha256('digest')}),
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  taken_at INTEGER NOT NULL CHECK (taken_at >= 0),
  reason TEXT CHECK (length(reason) <= 4096)
) STRICT;
CREATE INDEX savepoints_job ON savepoints (job, id);
`;

/**
 * Leases: segments that an attempt writes, reads or merges, before and beside what its checkpoints refer to.
 * Column `layout` of checkpoints has held the mode since the first version, and keeps its name.
 */
const THIRD = `
CREATE TABLE leases (
  job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  segment TEXT NOT NULL CHECK (${sha256('segment')}),
  epoch INTEGER NOT NULL CHECK (epoch > 0),
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  PRIMARY KEY (job, segment)
) STRICT, WITHOUT ROWID;
CREATE INDEX leases_segment ON leases (segment);
`;

/** Where the code was frozen: the working tree may be at another commit when an archive is written. */
const FOURTH = `
ALTER TABLE jobs ADD COLUMN git_commit TEXT CHECK (length(git_commit) BETWEEN 40 AND 64 AND git_commit NOT GLOB '*[^0-9a-f]*');
`;

/** Migration n (from 1) leads from version n−1 to n. */
export const MIGRATIONS: readonly string[] = [FIRST, SECOND, THIRD, FOURTH];
