/** A source of whole numbers, for tests, demonstrations and load. */
import { TidemarkError } from '../base/errors.js';
import { type StandardSchema, schema } from '../codec/schema.js';
import type { Batch, ReadRequest, SourceSpec } from '../graph/source.js';

export interface SequenceOptions {
  /** The first number. Default 0. */
  readonly from?: number;
  /** How many numbers there are; absent: no end. */
  readonly count?: number;
  /** Numbers per second over all splits together. */
  readonly rate?: number;
  /** Split `i` of `n` has the numbers `from + i`, `from + i + n`, … Default 1. */
  readonly splits?: number;
}

/** How many numbers of its own a split has handed out. */
export interface SequencePosition {
  readonly done: number;
}

/** The numbers `from`, `from + 1`, … in order within each split. Replayable, so exactly-once. */
export function sequence(options: SequenceOptions = {}): SourceSpec<number, SequencePosition> {
  const { from = 0, count = Number.POSITIVE_INFINITY, rate, splits = 1 } = options;
  if (!Number.isSafeInteger(from)) throw wrong('from is a whole number');
  if (!(count >= 0) || (Number.isFinite(count) && !Number.isSafeInteger(count))) {
    throw wrong('count is a whole number, 0 or more');
  }
  if (!Number.isSafeInteger(splits) || splits < 1) throw wrong('splits is a whole number, 1 or more');
  if (rate !== undefined && !(Number.isFinite(rate) && rate > 0)) throw wrong('rate is a number above 0');
  return {
    kind: 'sequence',
    describe: Number.isFinite(count) ? `${count} numbers from ${from}` : `numbers from ${from}, without end`,
    position: schema(sequencePosition),
    ...(rate === undefined ? {} : { rate }),
    splits: () => Array.from({ length: splits }, (_, i) => ({ id: String(i), start: { done: 0 } })),
    compare: comparePositions,
    read: (request) => readNumbers(request, { from, count, splits }),
  };
}

async function* readNumbers(
  request: ReadRequest<SequencePosition>,
  { from, count, splits }: { readonly from: number; readonly count: number; readonly splits: number },
): AsyncGenerator<Batch<number, SequencePosition>, void, undefined> {
  const split = Number(request.split);
  const total = Math.max(0, Math.ceil((count - split) / splits));
  let { done } = request.position;
  while (done < total && !request.signal.aborted) {
    const length = Math.min(batchAt(request, done), total - done);
    const first = from + split + done * splits;
    const elements = Array.from({ length }, (_, i) => first + i * splits);
    done += length;
    yield { elements, position: { done } };
  }
}

export function comparePositions(a: SequencePosition, b: SequencePosition): number {
  return a.done - b.done;
}

/** How many elements the batch after `done` of them may have. */
export function batchAt({ batch, until }: ReadRequest<SequencePosition>, done: number): number {
  return until !== undefined && until.done > done ? Math.min(batch, until.done - done) : batch;
}

/** For positions that count elements. */
export const sequencePosition: StandardSchema<SequencePosition> = {
  '~standard': {
    version: 1,
    vendor: 'tidemark',
    validate: (value) =>
      isPosition(value) ? { value } : { issues: [{ message: 'is not a position in a sequence' }] },
  },
};

function isPosition(value: unknown): value is SequencePosition {
  if (typeof value !== 'object' || value === null || !('done' in value)) return false;
  return Number.isSafeInteger(value.done) && (value.done as number) >= 0;
}

function wrong(what: string): TidemarkError {
  return new TidemarkError('DEFINITION_INVALID', `sequence(): ${what}`);
}
