/** Finds the files of committed transactions among the names in a target. Pure. */
import type { WriterRuns } from './ledger.js';
import { partStem, splitPart } from './names.js';
import { holds, type Run, without } from './runs.js';

export interface FoundParts {
  readonly parts: readonly string[];
  /** Those of the writers' transactions that no name stands for: a consumer has moved their files away. */
  readonly missing: readonly WriterRuns[];
}

/** Cost follows the names, not how many transactions the writers have. */
export function partsIn(names: readonly string[], writers: readonly WriterRuns[]): FoundParts {
  const wanted = writers.map((writer) => ({ writer, found: [] as number[] }));
  const byStem = new Map(wanted.map((each) => [partStem(each.writer.prefix ?? '', each.writer), each]));
  const parts = names.filter((name) => {
    const split = splitPart(name);
    const want = split === undefined ? undefined : byStem.get(split.stem);
    if (split === undefined || want === undefined || !holds(want.writer.ranges, split.checkpoint))
      return false;
    want.found.push(split.checkpoint);
    return true;
  });
  const missing = wanted.flatMap(({ writer, found }) => {
    // A transaction may have several files; one that is there stands for all of them.
    const there = [...new Set(found)].sort((a, b) => a - b);
    const taken = there.map((checkpoint): Run => [checkpoint, checkpoint]);
    const ranges = without(writer.ranges, taken);
    return ranges.length > 0 ? [{ ...writer, ranges }] : [];
  });
  return { parts, missing };
}
