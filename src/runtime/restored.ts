/**
 * Takes a snapshot's entries one by one to where they belong: keyed state and timers to the subtask that owns the
 * key group now, state without a key to its operator, positions and transactions to wait for their source or sink.
 * What was kept in another way before is brought to the way of now first (upgrade.ts).
 *
 * The snapshot's tables are matched to this graph's by operator uid, name and kind; that all of them have a match
 * was checked before (restore/compatible.ts).
 *
 * Invariant: an entry that is refused leaves nothing behind, so that others can be taken after it.
 */
import { assert, present } from '../base/assert.js';
import { TidemarkError } from '../base/errors.js';
import { keyGroupOf, subtaskOf } from '../base/key-groups.js';
import { BytesDamaged } from '../codec/codec.js';
import { keyCodecById } from '../codec/keys.js';
import { ByteReader } from '../codec/reader.js';
import type { Schema } from '../codec/schema.js';
import { valueCodec } from '../codec/value.js';
import type { Entry } from '../format/entry.js';
import { readWatermark } from '../format/watermark.js';
import { describeWindow } from '../graph/describe-window.js';
import type { Transaction } from '../graph/sink.js';
import type { Compiled } from './compile.js';
import { type EntryRefusal, entryRefused, keysOf, nameEntry } from './entry-refused.js';
import { END_OF_TIME, NO_WATERMARK } from './event-time.js';
import { keptAs } from './kept-as.js';
import { type KeyWay, wayOfKeys } from './key-way.js';
import type { SplitPosition } from './source.js';
import { isTimer, matchTable, type Table } from './tables.js';
import { isUnkeyedState } from './unkeyed.js';
import { type Way, wayAcross } from './upgrade.js';
import { refuseOtherWindow, type WindowShape } from './window/own-window.js';

const stringKeys = keyCodecById('string');

interface Kept<T> {
  readonly value: T;
  readonly schemaVersion: number;
}

/** Where the entries of a table of the snapshot go, and how. */
interface Match {
  readonly ours: Table;
  /** Undefined: as they are. */
  readonly way: Way | undefined;
  /** Undefined: keys are as they are. */
  readonly keys: KeyWay | undefined;
}

export class Restored {
  readonly #compiled: Compiled;
  readonly #splits = new Map<string, Kept<SplitPosition>[]>();
  readonly #watermarks = new Map<string, number>();
  /** Operators that had come to the end of time. */
  readonly #ended = new Set<string>();
  readonly #transactions = new Map<string, Kept<Transaction<unknown>>[]>();
  /** From the snapshot's table to ours, found once. */
  readonly #match = new Map<number, Match>();

  /** By our table: the windows that its entries are of. */
  readonly #windows: ReadonlyMap<number, WindowShape>;

  constructor(compiled: Compiled) {
    this.#compiled = compiled;
    const windows = compiled.graph.nodes.filter((node) => node.kind === 'window');
    this.#windows = new Map(
      compiled.tables.flatMap(({ id, operator, kind }) => {
        const node =
          isTimer(kind) || kind === 'watermark' ? undefined : windows.find(({ uid }) => uid === operator);
        return node === undefined ? [] : [[id, describeWindow(node)] as const];
      }),
    );
  }

  take(entry: Entry, tables: readonly Table[], kept: boolean): void {
    const theirs = tables[entry.table];
    if (theirs === undefined)
      throw new TidemarkError('SEGMENT_CORRUPT', `an entry of unknown table ${entry.table}`);
    try {
      this.#take(entry, theirs, kept);
    } catch (error) {
      throw this.#explained(error, entry, theirs);
    }
  }

  /**
   * The positions of one source, brought to the newest version of its schema.
   * @throws EntryRefused
   */
  splits(uid: string, schema: Schema<unknown>): readonly SplitPosition[] {
    return (this.#splits.get(uid) ?? []).map(({ value, schemaVersion }) => ({
      ...value,
      position: upgraded(schema, value.position, schemaVersion, {
        operator: uid,
        state: 'splits',
        entry: `split ${JSON.stringify(value.id)}`,
      }),
    }));
  }

  /**
   * The watermark of one operator, −Infinity where there is none. The end of time is none: the snapshot was drained or its
   * input was at its end, and what comes after it all the same is not late for that.
   */
  watermark(uid: string): number {
    return this.#watermarks.get(uid) ?? NO_WATERMARK;
  }

  /** Up to where timers of one operator may have fired behind which its watermark is. */
  furthest(uid: string): number {
    return this.#ended.has(uid) ? END_OF_TIME : NO_WATERMARK;
  }

  /**
   * The transactions of one sink.
   * @throws EntryRefused
   */
  transactions(uid: string, schema: Schema<unknown> | undefined): readonly Transaction<unknown>[] {
    return (this.#transactions.get(uid) ?? []).map(({ value, schemaVersion }) => ({
      id: value.id,
      value: upgraded(schema, value.value, schemaVersion, {
        operator: uid,
        state: 'transactions',
        entry: '',
      }),
    }));
  }

  #take(entry: Entry, theirs: Table, kept: boolean): void {
    const { kind, schemaVersion } = theirs;
    if (kind === 'watermark') return this.#takeWatermark(entry, theirs);
    const uid = kind === 'splits' || kind === 'transactions' ? this.#find(theirs).ours.operator : '';
    if (kind === 'splits') {
      const split = readSplit(entry.value);
      const id = stringKeys.read(new ByteReader(entry.key)) as string;
      append(this.#splits, uid, { value: { ...split, id }, schemaVersion });
    } else if (kind === 'transactions') {
      const value = valueCodec.read(new ByteReader(entry.value)) as Transaction<unknown>;
      append(this.#transactions, uid, { value, schemaVersion });
    } else if (isUnkeyedState(kind)) {
      this.#unkeyed(entry, theirs);
    } else {
      this.#keyed(entry, theirs, kept);
    }
  }

  /** Where the definition does not use event time there any more, there is nothing to be done with it. */
  #takeWatermark(entry: Entry, theirs: Table): void {
    const { graph, tables } = this.#compiled;
    const uid = matchTable(graph, tables, theirs)?.operator;
    const watermark = readWatermark(entry.value);
    if (uid === undefined) return;
    if (watermark === 'end') this.#ended.add(uid);
    else this.#watermarks.set(uid, Math.min(watermark, this.#watermarks.get(uid) ?? watermark));
  }

  #keyed(entry: Entry, theirs: Table, kept: boolean): void {
    const { parallelism, maxParallelism, processes } = this.#compiled;
    const { ours, way, keys } = this.#find(theirs);
    const group = keys === undefined ? entry.group : keyGroupOf(keys(entry.key), maxParallelism);
    const owner = processes.get(ours.operator)?.[subtaskOf(group, parallelism, maxParallelism)];
    assert(owner !== undefined, `no owner for ${ours.operator}`);
    const windows = this.#windows.get(ours.id);
    if (windows !== undefined) refuseOtherWindow(windows, entry.namespace, `${ours.operator}.${ours.name}`);
    // What lies in the segments is not what comes to its place by a way.
    const as = way === undefined ? entry : way(entry);
    const same = way === undefined && keys === undefined;
    owner.backend.restore(group === as.group ? as : { ...as, group }, ours.id, same && kept);
  }

  /** State of subtasks and of whole operators: all of it is written anew with every snapshot. */
  #unkeyed(entry: Entry, theirs: Table): void {
    const { ours, way } = this.#find(theirs);
    const owner = present(this.#compiled.unkeyed.get(ours.operator), `an owner for ${ours.operator}`);
    owner.restore(way === undefined ? entry : way(entry), ours.id);
  }

  #find(theirs: Table): Match {
    const found = this.#match.get(theirs.id);
    if (found !== undefined) return found;
    const { graph, tables } = this.#compiled;
    const ours = matchTable(graph, tables, theirs);
    if (ours === undefined) {
      throw new TidemarkError(
        'INCOMPATIBLE',
        `state ${theirs.operator}.${theirs.name === '' ? theirs.kind : theirs.name} has no place in this definition`,
        { hint: 'see what becomes of all of it: tidemark check <definition> --against <snapshot>' },
      );
    }
    const match = {
      ours,
      way: wayAcross(theirs, ours, keptAs(graph, ours)),
      keys: wayOfKeys(theirs.keyType, keysOf(graph, ours.operator)?.id),
    };
    this.#match.set(theirs.id, match);
    return match;
  }

  #explained(error: unknown, entry: Entry, theirs: Table): unknown {
    const { graph, tables } = this.#compiled;
    const { operator, name, kind, ...rest } = matchTable(graph, tables, theirs) ?? theirs;
    const state = name === '' ? kind : name;
    if (error instanceof BytesDamaged)
      return new TidemarkError('SEGMENT_CORRUPT', `state ${operator}.${state}: ${error.message}`, {
        cause: error,
      });
    if (error instanceof TidemarkError) return error;
    const which = nameEntry(entry, { operator, name, kind, ...rest }, graph);
    return entryRefused(error, { operator, state, entry: which });
  }
}

/** @throws EntryRefused */
function upgraded(
  schema: Schema<unknown> | undefined,
  value: unknown,
  version: number,
  which: Pick<EntryRefusal, 'operator' | 'state' | 'entry'>,
): unknown {
  try {
    return schema === undefined ? value : schema.upgrade(value, version);
  } catch (error) {
    throw entryRefused(error, which);
  }
}

/** An archive may say anything; times are reckoned with. */
function readSplit(value: Buffer): Omit<SplitPosition, 'id'> {
  const read = valueCodec.read(new ByteReader(value)) as Partial<SplitPosition> | null;
  const { timestamp = 0 } = read ?? {};
  if (typeof read?.done !== 'boolean' || !Number.isSafeInteger(timestamp))
    throw new BytesDamaged('not the position of a split', 0);
  return read as Omit<SplitPosition, 'id'>;
}

function append<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
