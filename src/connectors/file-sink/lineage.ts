/**
 * What a target holds beyond the state of a snapshot. Pure.
 *
 *     snapshot's lineage  [A@5]        A: 1 ──▶ 5 ──▶ 9        6 to 9 are ahead
 *                                      └ X began from A@3      all of X is ahead: another branch of the same past
 *     unrelated jobs                   never ahead
 *
 * A transaction of job X at checkpoint k is included in a state whose lineage has X at k or later. One that is not
 * is ahead when X is in the lineage, or began from a snapshot that has an ancestor in common with it.
 */
import type { LineageEntry, TransactionId } from '../../graph/sink.js';
import { asideOf, type Ledger, type WriterRuns } from './ledger.js';
import { after, without } from './runs.js';

/** By writer, what is committed, not set aside, and ahead. `job` goes on from the lineage; its own never is. */
export function aheadOf(ledger: Ledger, job: string, lineage: readonly LineageEntry[]): WriterRuns[] {
  const included = lastByJob(lineage);
  const related = (other: string) => ledger.begun.get(other)?.some(({ job }) => included.has(job)) === true;
  return [...ledger.committed.values()].flatMap((writer) => {
    const last = included.get(writer.job) ?? -1;
    if (writer.job === job || (last === -1 && !related(writer.job))) return [];
    return nonEmpty({ ...writer, ranges: without(after(writer.ranges, last), asideOf(ledger, writer)) });
  });
}

/** By writer, what a state of this lineage includes, and an earlier rewind to before it set aside. */
export function lackingOf(ledger: Ledger, lineage: readonly LineageEntry[]): WriterRuns[] {
  const included = lastByJob(lineage);
  return [...ledger.aside.values()].flatMap((writer) => {
    const last = included.get(writer.job);
    if (last === undefined) return [];
    return nonEmpty({ ...writer, ranges: without(writer.ranges, after(writer.ranges, last)) });
  });
}

/** The ids of these transactions, newest checkpoints first, at most `limit` of them. */
export function idsOf(writers: readonly WriterRuns[], limit: number): TransactionId[] {
  const runs = writers.flatMap(({ job, attempt, sink, subtask, ranges }) =>
    ranges.map(([first, last]) => ({ writer: { job, attempt, sink, subtask }, first, last })),
  );
  const ids: TransactionId[] = [];
  for (const { writer, first, last } of runs.sort((a, b) => b.last - a.last)) {
    for (let checkpoint = last; checkpoint >= first; checkpoint--) {
      if (ids.length >= limit) return ids;
      ids.push({ ...writer, checkpoint });
    }
  }
  return ids;
}

function lastByJob(lineage: readonly LineageEntry[]): Map<string, number> {
  const last = new Map<string, number>();
  for (const { job, checkpoint } of lineage) last.set(job, Math.max(checkpoint, last.get(job) ?? -1));
  return last;
}

function nonEmpty(writer: WriterRuns): WriterRuns[] {
  return writer.ranges.length > 0 ? [writer] : [];
}
