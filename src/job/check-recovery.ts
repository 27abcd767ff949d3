/**
 * Whether a job's state fits mended code, before it goes on with it: the same look as before a restore, at what the job
 * would recover from.
 */
import { openArchive } from '../archive/read.js';
import { TidemarkError } from '../base/errors.js';
import { realDisk } from '../base/real-disk.js';
import type { Catalog } from '../catalog/catalog.js';
import type { JobRecord } from '../catalog/records.js';
import type { JobSettings } from '../graph/settings.js';
import { refusedLines } from '../restore/plan-states.js';
import { checkValues, depthOf, RESTORE_CHECK, withRefused } from './check-values.js';
import { graphOfBundle } from './graph-of-bundle.js';
import { type DefinitionPlace, OpenDefinition } from './open-definition.js';
import { withWindows } from './other-windows.js';
import { checkpointSnapshot, type PlannedSnapshot, snapshotOf } from './planned-snapshot.js';
import { checkFits, shapeOfRecovery } from './recover-state.js';

/**
 * `mended` and `old` are the code to go on with and the code that ran. Nothing where the job has no state yet.
 * @throws INCOMPATIBLE with all findings, GRAPH_CHANGED, SNAPSHOT_GONE, what the code throws
 */
export async function checkRecovery(
  catalog: Catalog,
  job: JobRecord,
  settings: JobSettings,
  mended: DefinitionPlace,
  old: DefinitionPlace,
): Promise<void> {
  const shape = await shapeOfRecovery(catalog, job, settings, realDisk);
  if (shape === undefined) return;
  const definition = await OpenDefinition.open(mended, settings, [], { targets: false });
  try {
    const tables = await withWindows(shape.tables, () => graphOfBundle(old, settings));
    const plan = checkFits({ ...shape, tables }, definition.facts);
    const states = plan.filter(({ kind }) => kind !== 'transactions');
    const depth = depthOf(RESTORE_CHECK, { same: mended.bundle === old.bundle, passed: false });
    const values = await onSnapshot(catalog, job, (snapshot) =>
      checkValues(definition, snapshot, states, depth, {}),
    );
    const lines = refusedLines(withRefused(states, values, definition.facts));
    if (lines.length === 0) return;
    throw new TidemarkError('INCOMPATIBLE', `the definition does not take the state:\n${lines.join('\n')}`, {
      hint: 'mend the schema or its steps, or go on with the old definition',
    });
  } finally {
    await definition.close();
  }
}

/** What the job would recover from. */
async function onSnapshot<T>(
  catalog: Catalog,
  job: JobRecord,
  use: (snapshot: PlannedSnapshot) => Promise<T>,
): Promise<T> {
  if (catalog.lastCompleted(job.id) !== undefined || job.origin === undefined) {
    const snapshot = await checkpointSnapshot(catalog, job.id, undefined);
    return await use(snapshot).finally(() => snapshot.close());
  }
  const archive = await openArchive(realDisk, job.origin.path);
  return await use({ label: archive.path, ...snapshotOf(archive) }).finally(() => archive.close());
}
