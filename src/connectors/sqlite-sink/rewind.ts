/**
 * Takes rows out of a table that a snapshot does not know of, within a transaction that its caller has begun: all of them,
 * or it throws and the caller takes back what it did.
 */
import { TidemarkError } from '../../base/errors.js';
import type { LineageEntry } from '../../graph/sink.js';
import type { Sqlite } from '../../sqlite/sqlite.js';
import type { Ledger } from '../file-sink/ledger.js';
import { aheadOf, idsOf, lackingOf } from '../file-sink/lineage.js';
import type { LedgerRow, TableLedger } from './ledger.js';
import { deleteRun, digestRun } from './row-run.js';
import type { TargetTable } from './target.js';

/** Whose rewind, and of what: for decisions and messages. */
export interface Whose {
  /** The id of the job that goes on. */
  readonly job: string;
  readonly sink: string;
  readonly path: string;
  readonly table: string;
  /** Of the sink's context. */
  readonly alive?: (() => void) | undefined;
}

export interface Rewound {
  readonly db: Sqlite;
  readonly ledger: TableLedger;
  readonly table: TargetTable;
}

/** @throws TARGET_AHEAD where the rows of a transaction cannot be told for certain. */
export async function setAside(
  rewound: Rewound,
  whose: Whose,
  lineage: readonly LineageEntry[],
): Promise<void> {
  const { db, ledger, table } = rewound;
  for (const row of aheadRows(rewound, whose, lineage)) {
    await checkRow(rewound, row, whose);
    if (row.run !== undefined) await deleteRun(db, table.shape, row.run, whose.alive);
    ledger.setAside(row);
  }
}

/** Throws what {@link setAside} would; reads only. */
export async function checkRewind(
  rewound: Rewound,
  whose: Whose,
  lineage: readonly LineageEntry[],
): Promise<void> {
  for (const row of aheadRows(rewound, whose, lineage)) await checkRow(rewound, row, whose);
}

function aheadRows({ ledger }: Rewound, whose: Whose, lineage: readonly LineageEntry[]): LedgerRow[] {
  const said = ledger.read();
  refuseLacking(said, whose, lineage);
  return ledger.rowsOf(aheadOf(said, whose.job, lineage));
}

/** @throws TARGET_AHEAD where an earlier rewind took out rows that belong to the snapshot. */
export function refuseLacking(
  ledger: Ledger,
  { sink }: Pick<Whose, 'sink'>,
  lineage: readonly LineageEntry[],
): void {
  const [newest] = idsOf(lackingOf(ledger, lineage), 1);
  if (newest === undefined) return;
  throw new TidemarkError(
    'TARGET_AHEAD',
    `the target of sink ${sink} was rewound to before the snapshot, which took out rows that belong to it, up to ` +
      `checkpoint ${newest.checkpoint} of job ${newest.job}`,
    { hint: 'give the sink another table or database, or add --sinks mute', operator: sink },
  );
}

async function checkRow({ db, table: { shape } }: Rewound, row: LedgerRow, whose: Whose): Promise<void> {
  const { run, rows } = row;
  if (row.mode === 'upsert') throw notRewound('an upsert has overwritten what was there before', row, whose);
  if (run === undefined) {
    if (rows === 0) return;
    throw notRewound(
      'the rows do not lie in one run of row numbers, by which to find them again',
      row,
      whose,
    );
  }
  const digest = await digestRun(db, shape, run, whose.alive);
  if (digest === undefined || Buffer.compare(digest, run.digest) !== 0)
    throw notRewound('others have deleted, changed or renumbered (VACUUM) rows of it since', row, whose);
}

function notRewound(why: string, row: LedgerRow, { sink, table, path }: Whose): TidemarkError {
  return new TidemarkError(
    'TARGET_AHEAD',
    `sink ${sink} cannot rewind table ${table} of ${path}: ${why} ` +
      `(checkpoint ${row.checkpoint} of job ${row.job}, ${row.rows} rows); nothing was changed`,
    { hint: 'give the sink another table or database, or add --sinks mute', operator: sink },
  );
}
