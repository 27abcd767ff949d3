/**
 * The contract of a state backend: the keyed state and the timers of one operator in one subtask.
 *
 * Words: a *table* is what one declared state or timer name keeps, for all keys. An *entry* is its unit in a
 * snapshot: a value, a number or a list of one key; one user key of a map; one timer. To *freeze* is to fix what
 * a snapshot holds; to *drain* is to write that out while the job runs on.
 *
 * Duties of the caller
 * - Selects a key before it lets user code touch a handle. `group` is the key's own and lies in `range`.
 * - Restores before the first `select` of an element, freezes only between two elements and timers, and not again
 *   before the last drain is done or aborted and, under `changes`, settled.
 * - Calls `slice` until it says true, then flushes the writer; or `abort`, and then throws away what was written.
 *   Writers may be shared between backends of one thread.
 * - Does not change what it passed to a handle, nor what a handle gave it.
 *
 * Duties of a backend
 * - What a drain writes is exactly the state at the freeze, each entry once, in no particular order within a key
 *   group, whatever is read, changed, set or fired meanwhile. An entry about to change, or to be handed out as an
 *   object that could be changed, is written first.
 * - Under `changes` it writes those entries that were set, changed or taken out since the last freeze that was kept,
 *   each identity once: as they are at the freeze, or a tombstone where there is none. What was never in a kept drain
 *   nor restored as kept needs no tombstone. What was not kept is written again by the next freeze, unless it changed
 *   back to nothing that was ever kept.
 * - An empty list or map, and a key with nothing in it, are absent: no entry, no memory.
 * - An entry whose stamp is at or before `time.now` is not seen any more: not by handles, not by `counts`, not by a drain
 *   of a freeze at that time. It needs no tombstone where every kept drain that may hold it has a stamp no later.
 *   A backend that keeps entries elsewhere may count some that expired within the last 64th of their TTL, never too few.
 * - A value that its codec refuses is a TidemarkError VALUE_REFUSED that names state, key and path; what was
 *   pending is pending still.
 * - Nothing restored points into the buffers of the entry, as long as the codecs do not.
 */
import type { KeyGroupRange } from '../base/key-groups.js';
import type { Codec } from '../codec/codec.js';
import type { Key, KeyCodec, KeyIdentity } from '../codec/key.js';
import type { Entry, EntryWriter } from '../format/entry.js';
import type { Expiry } from '../format/manifest.js';

export interface StateTable {
  /** Index into the snapshot's list of tables. */
  readonly table: number;
  readonly name: string;
  /** `panes`: one value per window of a key, its entries told apart by their namespace. */
  readonly kind: 'value' | 'number' | 'list' | 'map' | 'panes';
  /** Of the value; of one element of a list; of one value of a map or a pane. What it reads must not point into its input. */
  readonly codec: Codec<unknown>;
  /** For maps, and only there: how user keys are checked and kept. Every key must take at least one byte. */
  readonly mapKeys?: KeyCodec;
  /** What `get` gives where nothing was set: for `value` and `number`. */
  readonly initial: unknown;
  /**
   * For `value` and `map`: how long an entry lives, whole milliseconds from when it was last set, or also read. Its entry
   * carries the stamp of when it expires: the current step's time then, and `after`. To read is to `get` it, or to go
   * past it in `entries`; not `has`, `keys` or `size`.
   */
  readonly ttl?: { readonly after: number; readonly refresh: 'write' | 'read' } | undefined;
}

/**
 * Processing time as far as TTL goes by it: set by the caller before each step and at each barrier, never back. One object
 * for all backends of a dataflow, so that expiry is looked at without asking a clock.
 */
export interface StepTime {
  now: number;
}

export type TimerTime = 'event' | 'processing';

export interface TimerTable {
  /** Index into the snapshot's list of tables. */
  readonly table: number;
  readonly name: string;
  /** Which of the two orders it falls due in. */
  readonly time: TimerTime;
}

export interface BackendOptions {
  /** The key groups this subtask owns. */
  readonly range: KeyGroupRange;
  readonly maxParallelism: number;
  readonly subtask: number;
  readonly keys: KeyCodec;
  readonly states: readonly StateTable[];
  readonly timers: readonly TimerTable[];
  /** What a freeze holds: every entry, or those that changed since the last one that was kept. */
  readonly snapshots: 'all' | 'changes';
  readonly time: StepTime;
}

export interface KeyedBackend {
  /**
   * Makes `key` current: every handle acts on it until the next `select` or `fireTimer`. `key` is normalised,
   * `identity` is `keys.identity(key)`, `hash` is `keys.hash(key)`, `group` the key group made of it. Cheap, and
   * keeps nothing for a key without state. Cheaper still with the hash: the caller has it at hand.
   */
  select(key: Key, identity: KeyIdentity, group: number, hash?: number): void;
  /** The handle of `states[index]`: always the same object, of the handle type of its kind. */
  state(index: number): StateHandle;
  /** The handle of `timers[index]`: always the same object. */
  timer(index: number): TimerHandle;
  /** The time of the earliest timer of an order, or Infinity. */
  nextTimer(time: TimerTime): number;
  /**
   * Takes out the earliest timer of an order that is due at or before `now` (the one set first among equals) and makes its
   * key current. Undefined when none is due.
   */
  fireTimer(time: TimerTime, now: number): FiredTimer | undefined;
  /** Takes out all processing-time timers and says how many there were: what the end of input does. */
  dropTimers(): number;
  /**
   * Lets go of entries that have expired by `time.now`, at most about `most` of them, in a time that does not grow with
   * the others; true when none is left in memory. `freeze` does this for all by itself.
   */
  expire(most: number): boolean;
  /** Fixes what a snapshot holds, in a time that does not grow with the number of keys, and starts its drain into `out`. */
  freeze(out: EntryWriter): Drain;
  /**
   * Under `changes`, what becomes of a drain that is done: `kept` says that all it wrote is durable and will be part of
   * every later snapshot. To be called exactly once, before the next freeze. A drain that was aborted, or threw, is
   * settled as not kept by itself.
   */
  settle(kept: boolean): void;
  /**
   * Inserts one entry. `table` is the backend's table it belongs to; give it where the snapshot numbers its tables
   * otherwise. `kept`: it counts as written by a kept drain; else it is a change, which the next freeze holds. A backend
   * that reads states where they are kept is given timers alone as kept.
   * Entries of key groups outside `range` must be left out. Throws BytesDamaged for an entry that does not fit its
   * table or is there already, and what the codecs throw.
   */
  restore(entry: Entry, table?: number, kept?: boolean): void;
  /** Live entries by table: the states, then the timers, in the order of the options. */
  counts(): readonly TableCount[];
}

/** What goes on after a freeze. When `slice` throws, the drain is over, as if aborted. */
export interface Drain {
  /** Writes entries until `deadline()` is true, at least a few, or all is written. True when done. */
  slice(deadline: () => boolean): boolean;
  /** Gives up: nothing more is written, and the next freeze may come. Does nothing after the end. */
  abort(): void;
}

export interface TableCount {
  readonly table: number;
  readonly entries: number;
  /** Of a backend that keeps entries elsewhere: those of `entries` that expire, for who goes on from this snapshot in place. */
  readonly expiries?: readonly Expiry[] | undefined;
}

export interface FiredTimer {
  /** Which of `timers`. */
  readonly index: number;
  readonly time: number;
  readonly key: Key;
}

/*
 * The handles, as `src/graph/state.ts` and `src/graph/process.ts` promise them to user code. `unknown` where only
 * the definition knows the type. What user code passes in is checked as far as a wrong type would corrupt state.
 */

export type StateHandle = ValueHandle | NumberHandle | ListHandle | MapHandle | PanesHandle;

/** A window of a key. Whole milliseconds; both ends infinite is the global window. */
export interface PaneWindow {
  readonly start: number;
  readonly end: number;
}

/**
 * The panes of the current key: at most one for each `start`. `get` may give the caller an array or object that it adds
 * to, if it then calls `set` with the same one. Iterates in no particular order; may be changed while it is iterated.
 */
export interface PanesHandle<V = unknown> {
  get(start: number): V | undefined;
  /** True where there was none of this window; one that starts with it and ends elsewhere is gone. */
  set(window: PaneWindow, value: V): boolean;
  /** False where there was none. */
  delete(start: number): boolean;
  windows(): Iterable<PaneWindow>;
  readonly size: number;
}

export interface ValueHandle<T = unknown> {
  get(): T;
  /** `undefined` is a value like any other here; `clear` removes. */
  set(value: T): void;
  update(change: (value: T) => T): void;
  clear(): void;
}

export interface NumberHandle {
  get(): number;
  set(value: number): void;
  add(amount: number): void;
  update(change: (value: number) => number): void;
  clear(): void;
}

export interface ListHandle<T = unknown> {
  get(): readonly T[];
  add(element: T): void;
  addAll(elements: Iterable<T>): void;
  set(elements: Iterable<T>): void;
  update(change: (elements: readonly T[]) => Iterable<T>): void;
  clear(): void;
  readonly size: number;
}

/**
 * Iterates in order of insertion, since the last restore or since the backend loaded the key again, and behaves like a
 * Map that is changed while it is iterated.
 */
export interface MapHandle<K = unknown, V = unknown> {
  get(key: K): V | undefined;
  has(key: K): boolean;
  set(key: K, value: V): void;
  delete(key: K): boolean;
  entries(): IterableIterator<[K, V]>;
  keys(): IterableIterator<K>;
  clear(): void;
  readonly size: number;
}

/** Unique by key, name and time. Times are whole milliseconds since 1970. */
export interface TimerHandle {
  set(time: number): void;
  delete(time: number): void;
  /** All of this name for the current key. */
  clear(): void;
}
