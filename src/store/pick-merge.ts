/**
 * Which runs of a store to merge next: size-tiered merging with a bound on its length and on its waste, as in
 * "universal compaction" (RocksDB) and the merge compaction of Bigtable.
 *
 *     oldest                                        newest
 *     ████████████████████████████  ███████  ██  █  ▌▌▌
 *     base                          tiers, each above TIER_RATIO × all that is newer when last merged
 *
 * At rest, which is when `pickMerge` gives undefined:
 *
 * - **length**: at most MAX_RUNS runs, which bounds what a lookup or a recovery has to open. A delta of one run makes
 *   them one more until the merge it causes is done. While a long merge runs, more may come, up to HARD_RUNS, above
 *   which the caller lets deltas wait.
 * - **space**: what is newer than the base, with what its tombstones delete, is at most MAX_WASTE of the base. So the
 *   store is at most 1.5 times its base, a merge of all of it included 2.5 times, and the live entries are at least
 *   half of the base. Stores below LEAST_BYTES are not held to it.
 * - **writing**: a merge of all is due only after MAX_WASTE × base of new bytes, so it writes at most
 *   (1 + MAX_WASTE) / MAX_WASTE = 3 bytes for each of them, 2 where entries are replaced and none are added. Between
 *   two such merges a run is taken only if it is at most TIER_RATIO times what is newer, so that it grows by half at
 *   least: a byte is written again at most log1.5(MAX_WASTE × base ÷ delta) times, in fact 1 or 2 times for deltas of
 *   1 % of the base (test/store/pick-merge.test.ts prints it). Only deltas below 3^-7 of that, for which the tiers are
 *   too few, are merged more often.
 *
 * All merges take neighbours, so that "newest wins" stays a matter of order.
 */
import { assert } from '../base/assert.js';

/** The most runs at rest. */
export const MAX_RUNS = 8;
/** From here on the caller lets deltas wait for a merge. */
export const HARD_RUNS = 24;
/** The most that may be newer than the base, as a part of it. */
export const MAX_WASTE = 0.5;
/** Stores smaller than this in all may waste what they like. */
export const LEAST_BYTES = 1024 * 1024;
/** The most runs one merge takes: bounds open files and read-ahead. */
export const MAX_FAN_IN = 64;
/** A run is merged with all that is newer once it is at most this many times as large. */
export const TIER_RATIO = 2;

export interface RunSize {
  readonly name: string;
  readonly bytes: number;
  /** What it has of each table. Where that is left out, tombstones are taken to delete nothing. */
  readonly tables?: readonly { readonly entries: number; readonly tombstones: number }[];
}

/** Runs `from` to `to`, the latter not included; never a single one. */
export interface MergeRange {
  readonly from: number;
  readonly to: number;
}

/** What to merge, or undefined when the runs, given oldest first, are within all bounds. Pure. */
export function pickMerge(runs: readonly RunSize[]): MergeRange | undefined {
  if (runs.length < 2) return undefined;
  const small = totalBytes(runs) < LEAST_BYTES;
  const wasteful = !small && newerBytes(runs) > MAX_WASTE * sizeAt(runs, 0);
  const long = runs.length > MAX_RUNS;
  if (!wasteful && !long) return undefined;
  if (runs.length > MAX_FAN_IN) return cheapestWindow(runs);
  // A small store is merged whole: that costs little and drops its tombstones.
  if (wasteful || small) return { from: 0, to: runs.length };
  return newestTiers(runs);
}

/** The two newest runs, and each older one that is not much larger than all those; never the base. */
function newestTiers(runs: readonly RunSize[]): MergeRange {
  assert(runs.length > 2, 'a store of two runs is not long');
  const to = runs.length;
  let from = to - 2;
  let bytes = sizeAt(runs, to - 1) + sizeAt(runs, from);
  while (from > 1 && sizeAt(runs, from - 1) <= TIER_RATIO * bytes) bytes += sizeAt(runs, --from);
  return { from, to };
}

/** Of all ranges of MAX_FAN_IN runs, that of the fewest bytes: a pass over many equal runs takes each once. */
function cheapestWindow(runs: readonly RunSize[]): MergeRange {
  let bytes = totalBytes(runs.slice(0, MAX_FAN_IN));
  let best = { from: 0, bytes };
  for (let from = 1; from + MAX_FAN_IN <= runs.length; from++) {
    bytes += sizeAt(runs, from + MAX_FAN_IN - 1) - sizeAt(runs, from - 1);
    if (bytes < best.bytes) best = { from, bytes };
  }
  return { from: best.from, to: best.from + MAX_FAN_IN };
}

/** Bytes above the base, and those that their tombstones delete, if each hits an entry of the base of mean size. */
function newerBytes(runs: readonly RunSize[]): number {
  const [base, ...newer] = runs;
  const entries = countOf(base, 'entries');
  const mean = entries === 0 ? 0 : sizeAt(runs, 0) / entries;
  return newer.reduce((sum, run) => sum + run.bytes + mean * countOf(run, 'tombstones'), 0);
}

function countOf(run: RunSize | undefined, what: 'entries' | 'tombstones'): number {
  return run?.tables?.reduce((sum, table) => sum + table[what], 0) ?? 0;
}

function totalBytes(runs: readonly RunSize[]): number {
  return runs.reduce((sum, { bytes }) => sum + bytes, 0);
}

function sizeAt(runs: readonly RunSize[], at: number): number {
  return runs[at]?.bytes ?? 0;
}
