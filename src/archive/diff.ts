/**
 * What differs between two archives: entries added, removed and changed, by operator and state.
 *
 * States meet by uid, kind and name. Between two canonical archives, key groups with equal hashes are skipped unread;
 * everything else streams in canonical order, also the merged runs of a native archive, so that memory does not grow
 * with the state. Where keys are kept in another way (key type, maxParallelism), or values (codec, schema version),
 * nothing can be equal: all entries of one side are removed, all of the other added. Sinks' transactions are no state.
 */

import { present } from '../base/assert.js';
import { TidemarkError } from '../base/errors.js';
import type { KeyGroupRange } from '../base/key-groups.js';
import { isMultiset } from '../format/digest.js';
import type { ManifestTable } from '../format/manifest.js';
import { EntryCursor, type EntryOf, type Side } from './entry-cursor.js';
import type { Archive } from './read.js';
import type { Group } from './table-reader.js';

export interface StateDiff {
  /** Its kind where it has no name. */
  readonly name: string;
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
}

export interface ArchiveDiff {
  readonly equal: boolean;
  /** Operators and states that differ, the others left out. */
  readonly operators: readonly { readonly uid: string; readonly states: readonly StateDiff[] }[];
}

/** One entry that differs. Its buffers are valid during the call. */
export interface Difference {
  readonly kind: 'added' | 'removed' | 'changed';
  readonly before: EntryOf | undefined;
  readonly after: EntryOf | undefined;
}

/**
 * Calls and waits for `onDifference` for each entry that differs.
 * @throws INCOMPATIBLE for a native archive whose entries have no order.
 */
export async function diffArchives(
  before: Archive,
  after: Archive,
  onDifference?: (difference: Difference) => void | Promise<void>,
): Promise<ArchiveDiff> {
  for (const archive of [before, after]) {
    if (await archive.isOrdered()) continue;
    throw new TidemarkError('INCOMPATIBLE', `the entries of ${archive.path} are in no order to compare by`, {
      hint: `rewrite it as a savepoint first: tidemark convert ${archive.path}`,
    });
  }
  if (before.manifest.digest === after.manifest.digest) return { equal: true, operators: [] };
  const operators = new Map<string, StateDiff[]>();
  for (const pair of pairsOf(before, after)) {
    const table = present(pair.before?.table ?? pair.after?.table, 'a table');
    const counts = await new TableDiff(pair, onDifference).run();
    if (!pair.redeclared && counts.added + counts.removed + counts.changed === 0) continue;
    const states = operators.get(table.operator) ?? [];
    states.push({ name: table.name === '' ? table.kind : table.name, ...counts });
    operators.set(table.operator, states);
  }
  // The digest of a native archive does not name its state; then what was found says whether it is the same.
  const named = before.manifest.layout === 'canonical' && after.manifest.layout === 'canonical';
  const equal = !named && operators.size === 0;
  return { equal, operators: [...operators].map(([uid, states]) => ({ uid, states })) };
}

interface Pair {
  readonly before: Side | undefined;
  readonly after: Side | undefined;
  /** The state is on one side only, or declared in another way. */
  readonly redeclared: boolean;
}

function pairsOf(before: Archive, after: Archive): Pair[] {
  const theirs = new Map(sidesOf(after).map((side) => [nameOf(side.table), side]));
  const pairs: Pair[] = [];
  for (const a of sidesOf(before)) {
    const b = theirs.get(nameOf(a.table));
    theirs.delete(nameOf(a.table));
    if (b !== undefined && sameDeclaration(a, b)) pairs.push({ before: a, after: b, redeclared: false });
    else pairs.push({ before: a, after: b, redeclared: true });
  }
  for (const b of theirs.values()) pairs.push({ before: undefined, after: b, redeclared: true });
  return pairs;
}

function sidesOf(archive: Archive): Side[] {
  const operators = new Map(archive.manifest.operators.map((operator) => [operator.uid, operator]));
  return archive.manifest.tables
    .filter(({ kind }) => kind !== 'transactions')
    .map((table) => {
      const operator = present(operators.get(table.operator), 'an operator');
      return { archive, table, operator };
    });
}

function nameOf({ operator, kind, name }: ManifestTable): string {
  return JSON.stringify([operator, kind, name]);
}

function sameDeclaration(a: Side, b: Side): boolean {
  const facts = ({ table, operator }: Side) => [
    table.codec.id,
    table.codec.version,
    table.schemaVersion,
    table.mapKey,
    operator.keyType,
    operator.maxParallelism,
  ];
  return JSON.stringify(facts(a)) === JSON.stringify(facts(b));
}

class TableDiff {
  readonly #pair: Pair;
  readonly #tell: ((difference: Difference) => void | Promise<void>) | undefined;
  #added = 0;
  #removed = 0;
  #changed = 0;

  constructor(pair: Pair, tell: ((difference: Difference) => void | Promise<void>) | undefined) {
    this.#pair = pair;
    this.#tell = tell;
  }

  async run(): Promise<Omit<StateDiff, 'name'>> {
    const { before, after, redeclared } = this.#pair;
    if (redeclared) {
      await this.#all(before, 'removed');
      await this.#all(after, 'added');
    } else await this.#groups(present(before, 'a side'), present(after, 'a side'));
    return { added: this.#added, removed: this.#removed, changed: this.#changed };
  }

  async #all(side: Side | undefined, kind: 'removed' | 'added'): Promise<void> {
    if (side === undefined) return;
    if (this.#tell === undefined) return this.#count(kind, side.table.entries);
    const cursor = await EntryCursor.open(side, undefined);
    while (!cursor.done) await this.#step(cursor, undefined, kind);
  }

  /** Both sides' groups, merged by number; all at once where one of them has no hashes. */
  async #groups(before: Side, after: Side): Promise<void> {
    if (!hasHashes(before) || !hasHashes(after)) return await this.#entries(before, after, undefined);
    const [as, bs] = [groupsOf(before), groupsOf(after)];
    let [a, b] = [await as.next(), await bs.next()];
    while (a.done !== true || b.done !== true) {
      const left = a.done === true ? undefined : a.value;
      const right = b.done === true ? undefined : b.value;
      const order = (left?.group ?? Number.POSITIVE_INFINITY) - (right?.group ?? Number.POSITIVE_INFINITY);
      if (order !== 0 || !sameLeaf(left, right))
        await this.#entries(before, after, only(Math.min(left?.group ?? Infinity, right?.group ?? Infinity)));
      if (order <= 0) a = await as.next();
      if (order >= 0) b = await bs.next();
    }
  }

  async #entries(before: Side, after: Side, groups: KeyGroupRange | undefined): Promise<void> {
    if (isMultiset(before.table.kind)) return await this.#multiset(before, after);
    const a = await EntryCursor.open(before, groups);
    const b = await EntryCursor.open(after, groups);
    while (!a.done || !b.done) {
      const order = a.compare(b);
      if (order < 0) await this.#step(a, undefined, 'removed');
      else if (order > 0) await this.#step(undefined, b, 'added');
      else if (!a.sameAs(b)) await this.#step(a, b, 'changed');
      else {
        if (!a.advance()) await a.load();
        if (!b.advance()) await b.load();
      }
    }
  }

  /** Elements without a place: by value. */
  async #multiset(before: Side, after: Side): Promise<void> {
    const values = new Map<string, number>();
    const a = await EntryCursor.open(before, undefined);
    for (; !a.done; a.advance() || (await a.load())) {
      const value = a.value();
      values.set(value, (values.get(value) ?? 0) + 1);
    }
    const b = await EntryCursor.open(after, undefined);
    while (!b.done) {
      const value = b.value();
      const left = values.get(value) ?? 0;
      if (left > 0) {
        values.set(value, left - 1);
        if (!b.advance()) await b.load();
      } else await this.#step(undefined, b, 'added');
    }
    const again = await EntryCursor.open(before, undefined);
    while (!again.done) {
      const value = again.value();
      const left = values.get(value) ?? 0;
      if (left > 0) {
        values.set(value, left - 1);
        await this.#step(again, undefined, 'removed');
      } else if (!again.advance()) await again.load();
    }
  }

  async #step(
    a: EntryCursor | undefined,
    b: EntryCursor | undefined,
    kind: Difference['kind'],
  ): Promise<void> {
    this.#count(kind, 1);
    await this.#tell?.({ kind, before: a?.current, after: b?.current });
    if (a?.advance() === false) await a.load();
    if (b?.advance() === false) await b.load();
  }

  #count(kind: Difference['kind'], by: number): void {
    if (kind === 'added') this.#added += by;
    else if (kind === 'removed') this.#removed += by;
    else this.#changed += by;
  }
}

function only(group: number): KeyGroupRange {
  return { start: group, end: group };
}

function hasHashes({ archive }: Side): boolean {
  return archive.manifest.layout === 'canonical';
}

async function* groupsOf({ archive, table }: Side): AsyncGenerator<Group, void> {
  const reader = archive.reader(table);
  if (reader !== undefined) yield* reader.groups(0, archive.slots(table) - 1);
}

function sameLeaf(a: Group | undefined, b: Group | undefined): boolean {
  return (
    a !== undefined && b !== undefined && a.slot.entries === b.slot.entries && a.slot.leaf.equals(b.slot.leaf)
  );
}
