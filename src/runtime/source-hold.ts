/**
 * Where the splits of one source are to wait, and which are still on their way.
 *
 * A split that the positions do not name stays unread: nobody knows how far it should be read. One that is named and not
 * known here is waited for where the source looks for more.
 */
import { TidemarkError } from '../base/errors.js';
import type { SourceNode } from '../graph/node.js';
import { show } from './show.js';
import type { SplitPosition } from './source.js';
import { orderOf, type Verdict, verdictOf } from './split-hold.js';
import type { SplitReader } from './split-reader.js';

export class SourceHold {
  /** Why it cannot be: one is beyond its position, or has none to stop at. */
  failure: TidemarkError | undefined;
  /** Those with something to look at that is not looked at before they are released. */
  readonly parked = new Set<SplitReader>();
  readonly #node: SourceNode;
  readonly #targets: ReadonlyMap<string, SplitPosition>;
  readonly #away: Set<string>;

  /** @throws POSITION_PASSED, INCOMPATIBLE; nothing is changed then */
  constructor(node: SourceNode, targets: readonly SplitPosition[], readers: readonly SplitReader[]) {
    this.#node = node;
    this.#targets = new Map(targets.map((target) => [target.id, target]));
    this.#away = new Set(this.#targets.keys());
    const { replayable, rediscover } = node.source;
    if (replayable === false)
      throw refused(`source ${node.uid} cannot be read again, and so not up to a position`);
    for (const reader of readers) this.#check(reader);
    const known = new Set(readers.map(({ id }) => id));
    const unknown = targets.find(({ id }) => !known.has(id));
    if (unknown !== undefined && rediscover === undefined)
      throw refused(`source ${node.uid} has no split ${unknown.id}, of which the snapshot holds a position`);
  }

  /** Those that have not come to where they are to wait; some may not be known yet. */
  get away(): ReadonlySet<string> {
    return this.#away;
  }

  /** Tells a reader where to stop. */
  aim(reader: SplitReader): void {
    const target = this.#targets.get(reader.id);
    const { position } = reader;
    reader.target =
      target === undefined ? { position, done: false, listed: false } : { ...target, listed: true };
    this.arrive(reader);
  }

  /** Looks whether it has come to where it is to wait. */
  arrive(reader: SplitReader): void {
    const { target } = reader;
    if (target === undefined || reader.arrived) return;
    if (orderOf(this.#node.source, reader.position, target.position) !== 0) {
      if (reader.state === 'done')
        this.failure ??= this.#passed(reader, 'was read to its end without coming by it');
      return;
    }
    if (target.done && reader.state !== 'done') return;
    reader.arrived = true;
    // The same place, told in the same words.
    reader.position = target.position;
    this.#away.delete(reader.id);
  }

  /** What to do with the batch that a reader has ready. */
  verdict(reader: SplitReader): Verdict {
    const { target, ready, near } = reader;
    if (target === undefined || ready === undefined) return 'take';
    const order = (position: unknown) => orderOf(this.#node.source, position, target.position);
    const empty = ready.elements.length === 0;
    const verdict = verdictOf(target, {
      here: order(reader.position),
      next: order(ready.position),
      empty,
      near,
    });
    if (verdict === 'passed') this.failure ??= this.#passed(reader, 'goes on');
    if (verdict === 'no-boundary') this.failure ??= this.#noBoundary(reader);
    return verdict;
  }

  #check(reader: SplitReader): void {
    const target = this.#targets.get(reader.id);
    if (target === undefined) {
      if (reader.begun) throw this.#passed(reader, 'has begun already, and the snapshot does not know it');
      return;
    }
    const order = orderOf(this.#node.source, reader.position, target.position);
    if (order !== undefined && order > 0) throw this.#passed(reader, 'is beyond it already');
    if (order !== 0 && reader.state === 'done') throw this.#passed(reader, 'was read to its end already');
  }

  #passed(reader: SplitReader, how: string): TidemarkError {
    const target = this.#targets.get(reader.id);
    const at = target === undefined ? '' : `, for position ${show(target.position)} of the snapshot,`;
    return new TidemarkError(
      'POSITION_PASSED',
      `split ${reader.id} of source ${this.#node.uid}${at} ${how}; it is at ${show(reader.position)}`,
    );
  }

  #noBoundary({ id, target }: SplitReader): TidemarkError {
    return refused(
      `split ${id} of source ${this.#node.uid}: no element ends at position ${show(target?.position)} of the snapshot`,
    );
  }
}

function refused(message: string): TidemarkError {
  return new TidemarkError('INCOMPATIBLE', message, {
    hint: 'give a snapshot of a job that reads the same input by a source of the same kind',
  });
}
