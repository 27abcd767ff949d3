/**
 * A dataflow that comes to the positions of a snapshot and waits there: what it holds then is what the input up to there
 * gives, and a savepoint of it can be compared with that snapshot.
 *
 *     on the way ──every split has arrived──▶ settling ──event time is where it was, all due timers fired──▶ settled
 *
 * Invariants: checkpoints meanwhile are those of a job whose splits give nothing; event time comes no further than the
 * snapshot's, and ends where that was, also where it got there because a split was idle; after `release` all goes on as if
 * nothing had been.
 */
import { TidemarkError } from '../base/errors.js';
import type { Entry } from '../format/entry.js';
import type { Compiled } from './compile.js';
import { END_OF_TIME, NO_WATERMARK } from './event-time.js';
import { Restored } from './restored.js';
import type { SplitPosition } from './source.js';
import { matchTable, type Table } from './tables.js';

/** Splits that are named at most while they are waited for. */
const NAMED = 8;

/** The positions and watermarks of a snapshot. */
export interface HeldAt {
  readonly tables: readonly Table[];
  readonly entries: readonly Entry[];
}

export interface HoldProgress {
  readonly splits: number;
  /** How many have come to their positions. */
  readonly arrived: number;
  /** The first of those that have not, as `source/split`. */
  readonly away: readonly string[];
}

export class Hold {
  readonly #compiled: Compiled;
  readonly #splits: number;
  #reaching = false;
  #settled = false;

  /** @throws POSITION_PASSED, INCOMPATIBLE, DRAINED, SEGMENT_CORRUPT; nothing is held then */
  constructor(compiled: Compiled, at: HeldAt) {
    this.#compiled = compiled;
    refuseOtherSources(compiled, at.tables);
    const restored = new Restored(compiled);
    for (const entry of at.entries) restored.take(entry, at.tables, false);
    const targets = compiled.sources.map(({ node }) => restored.splits(node.uid, node.source.position));
    const levels = levelsOf(compiled, at.tables, restored, targets.flat());
    this.#splits = targets.flat().length;
    try {
      for (const [index, source] of compiled.sources.entries()) source.hold(targets[index] ?? []);
    } catch (error) {
      this.release();
      throw error;
    }
    compiled.watermarks.level(levels);
  }

  get progress(): HoldProgress {
    const away = this.#compiled.sources.flatMap(({ held, node }) =>
      [...(held?.away ?? [])].slice(0, NAMED).map((split) => `${node.uid}/${split}`),
    );
    const missing = this.#compiled.sources.reduce((sum, { held }) => sum + (held?.away.size ?? 0), 0);
    return { splits: this.#splits, arrived: this.#splits - missing, away: away.slice(0, NAMED) };
  }

  /** Why it can never be, once that is known. */
  get failure(): TidemarkError | undefined {
    for (const { held } of this.#compiled.sources) if (held?.failure !== undefined) return held.failure;
    return undefined;
  }

  /** All is as it was in the snapshot, for good until `release`. */
  get settled(): boolean {
    return this.#settled;
  }

  /** After each advance of event time, with the number of timers it has fired. True: there is more to do at once. */
  advanced(fired: number): boolean {
    if (this.#settled || this.failure !== undefined) return false;
    if (this.#compiled.sources.some(({ held }) => held === undefined || held.away.size > 0)) return false;
    const { watermarks } = this.#compiled;
    if (!this.#reaching) {
      this.#reaching = true;
      watermarks.reach();
      return true;
    }
    this.#settled = fired === 0 && watermarks.settled;
    return !this.#settled;
  }

  release(): void {
    for (const source of this.#compiled.sources) source.release();
    this.#compiled.watermarks.release();
  }
}

/** What a source gives that the snapshot has no positions of is in no comparison. */
function refuseOtherSources({ graph, tables, sources }: Compiled, theirs: readonly Table[]): void {
  const splits = theirs.filter(({ kind }) => kind === 'splits');
  const matched = splits.map((table) => [table, matchTable(graph, tables, table)] as const);
  const absent = matched.find(([, own]) => own === undefined)?.[0].operator;
  if (absent !== undefined) throw otherSources(`the snapshot has a source ${absent}, which this job has not`);
  const known = new Set(matched.map(([, own]) => own?.operator));
  const unknown = sources.find(({ node }) => !known.has(node.uid))?.node.uid;
  if (unknown !== undefined) throw otherSources(`source ${unknown} of this job is not in the snapshot`);
}

function otherSources(message: string): TidemarkError {
  return new TidemarkError('INCOMPATIBLE', `${message}: there are no positions to wait at`, {
    hint: 'give a snapshot of a job with the same sources; a renamed one says formerly: its old uid',
  });
}

/** By uid, where event time was in the snapshot: of the operators that it knows. */
function levelsOf(
  { graph, tables, times }: Compiled,
  theirs: readonly Table[],
  restored: Restored,
  splits: readonly SplitPosition[],
): ReadonlyMap<string, number> {
  const levels = new Map<string, number>();
  for (const table of theirs.filter(({ kind }) => kind === 'watermark')) {
    const uid = matchTable(graph, tables, table)?.operator;
    const time = uid === undefined ? undefined : times.get(uid);
    if (uid === undefined || time === undefined) continue;
    const ended = restored.furthest(uid) === END_OF_TIME;
    // Restored from the end of time, and not moved since, as in the snapshot.
    const stays = ended && time.furthest === END_OF_TIME && time.watermark === NO_WATERMARK;
    if (ended && !stays && splits.some(({ done }) => !done)) throw drained();
    const level = ended && !stays ? END_OF_TIME : restored.watermark(uid);
    if (time.watermark > level) throw timePassed(uid, time.watermark, level);
    levels.set(uid, level);
  }
  return levels;
}

function drained(): TidemarkError {
  return new TidemarkError(
    'DRAINED',
    'the snapshot was drained: event time came to its end there, and cannot here, where input goes on',
    { hint: 'give one that was taken without --drain' },
  );
}

function timePassed(uid: string, own: number, level: number): TidemarkError {
  const shown = (time: number) =>
    time === END_OF_TIME ? 'its end' : time === NO_WATERMARK ? 'nowhere yet' : String(time);
  return new TidemarkError(
    'POSITION_PASSED',
    `event time of operator ${uid} is at ${shown(own)}, beyond ${shown(level)}, where it was in the snapshot`,
  );
}
