/**
 * Whether a source can go on from the positions of a snapshot: they are brought to its schema, its splits are listed,
 * and what is not read to its end is looked at by the source's own `check`. Nothing is read.
 */
import { type ErrorCode, TidemarkError } from '../base/errors.js';
import type { SourceNode } from '../graph/node.js';
import type { SourceContext } from '../graph/source.js';
import { userMessage } from './show.js';
import type { SplitPosition } from './source.js';

/** Splits that a check looks at one by one; a source may have a million. */
const MAX_LOOKED_AT = 10_000;

export interface RefusedSplit {
  readonly source: string;
  /** Empty where it is the source as a whole. */
  readonly split: string;
  readonly code: ErrorCode;
  readonly reason: string;
}

/** `restored` throws INCOMPATIBLE for positions that the source's schema does not take. */
export async function refusedSplits(
  node: SourceNode,
  restored: () => readonly SplitPosition[],
  context: SourceContext,
): Promise<readonly RefusedSplit[]> {
  const { uid: source, source: spec } = node;
  let positions: readonly SplitPosition[] = [];
  try {
    positions = restored();
    await spec.splits(context);
  } catch (error) {
    if (inputMayBeGone(error, node, positions)) return [];
    return [{ source, split: '', ...reasonOf(error) }];
  }
  const refused: RefusedSplit[] = [];
  for (const { id: split, position } of positions.filter(({ done }) => !done).slice(0, MAX_LOOKED_AT)) {
    try {
      await spec.check?.({ ...context, split, position });
    } catch (error) {
      refused.push({ source, split, ...reasonOf(error) });
    }
  }
  return refused;
}

/** What was read to its end need not be there any more; see {@link SourceGroup.open}. */
export function inputMayBeGone(
  error: unknown,
  { source }: SourceNode,
  restored: readonly Pick<SplitPosition, 'done'>[],
): boolean {
  const gone = error instanceof TidemarkError && error.code === 'FILE_NOT_FOUND';
  // A source that looks for more splits never ends, and would not find its input the next time either.
  return gone && restored.length > 0 && restored.every(({ done }) => done) && source.rediscover === undefined;
}

function reasonOf(error: unknown): Pick<RefusedSplit, 'code' | 'reason'> {
  if (error instanceof TidemarkError) return { code: error.code, reason: error.message };
  return { code: 'SOURCE_FAILED', reason: userMessage(error) };
}
