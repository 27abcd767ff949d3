/** A source over elements that stand in the definition. */
import { TidemarkError } from '../base/errors.js';
import { schema } from '../codec/schema.js';
import type { Batch, ReadRequest, SourceSpec } from '../graph/source.js';
import { batchAt, comparePositions, type SequencePosition, sequencePosition } from './sequence.js';

export interface FromArrayOptions {
  /** Split `i` of `n` has the elements at `i`, `i + n`, … Default 1. */
  readonly splits?: number;
}

/**
 * The elements of an array, in order within each split. Replayable, so exactly-once; elements added at the end
 * of the array later are read on, an array that became shorter than what was read is SOURCE_CHANGED.
 */
export function fromArray<T>(
  elements: readonly T[],
  options: FromArrayOptions = {},
): SourceSpec<T, SequencePosition> {
  const { splits = 1 } = options;
  if (!Number.isSafeInteger(splits) || splits < 1) {
    throw new TidemarkError('DEFINITION_INVALID', 'fromArray(): splits is a whole number, 1 or more');
  }
  return {
    kind: 'fromArray',
    describe: elements.length === 1 ? '1 element' : `${elements.length} elements`,
    position: schema(sequencePosition),
    splits: () => Array.from({ length: splits }, (_, i) => ({ id: String(i), start: { done: 0 } })),
    compare: comparePositions,
    read: (request) => readElements(request, elements, splits),
  };
}

async function* readElements<T>(
  request: ReadRequest<SequencePosition>,
  elements: readonly T[],
  splits: number,
): AsyncGenerator<Batch<T, SequencePosition>, void, undefined> {
  const split = Number(request.split);
  const own = splits === 1 ? elements : elements.filter((_, i) => i % splits === split);
  let { done } = request.position;
  if (done > own.length) {
    throw new TidemarkError(
      'SOURCE_CHANGED',
      `${done} elements were read of an array that now has ${own.length}`,
      {
        hint: 'run with the array as it was, or start a new job',
      },
    );
  }
  while (done < own.length && !request.signal.aborted) {
    const batch = own.slice(done, done + batchAt(request, done));
    done += batch.length;
    yield { elements: batch, position: { done } };
  }
}
