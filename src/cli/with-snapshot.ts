/** A snapshot for as long as a command reads it: a file, or a checkpoint with its home. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { TidemarkError } from '../base/errors.js';
import type { Context } from './context.js';
import { withCatalog } from './session.js';
import { snapshotOperand } from './snapshot-operand.js';
import { type SnapshotView, viewArchive, viewCheckpoint } from './snapshot-view.js';

/** Opens a file, or a checkpoint with its home, for as long as `use` takes. */
export async function withSnapshot<T>(
  text: string,
  context: Context,
  use: (view: SnapshotView) => Promise<T>,
): Promise<T> {
  const operand = snapshotOperand(text, context.cwd);
  const using = async (view: SnapshotView) => {
    try {
      return await use(view);
    } finally {
      await view.close();
    }
  };
  if (operand.kind === 'file') return using(await viewArchive(operand.path));
  try {
    return await withCatalog(context, false, (catalog) =>
      using(viewCheckpoint(catalog, operand.job, operand.checkpoint, context.clock.now())),
    );
  } catch (error) {
    throw meantAsFile(error, text, context.cwd) ?? error;
  }
}

/** Who typed the name of a file that does not look like one is told how to. */
function meantAsFile(error: unknown, text: string, cwd: string): TidemarkError | undefined {
  if (!(error instanceof TidemarkError)) return undefined;
  const noJob = error.code === 'JOB_NOT_FOUND' || error.code === 'HOME_NOT_FOUND';
  if (!noJob || !existsSync(resolve(cwd, text))) return undefined;
  return new TidemarkError(error.code, error.message, {
    hint: `if the file is meant: ./${text}`,
    cause: error,
  });
}
