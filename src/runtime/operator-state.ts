/**
 * List and union state of one sink or source, of all its subtasks (Flink's `OperatorStateStore`).
 *
 *     restore … restore ──▶ first use: dealt ──▶ handles, contents, replace ──▶ write, at every barrier
 *
 *     list     restored: [0: a b] [1: c d e]   at parallelism 4: [0: a b] [1: c] [2: d] [3: e]
 *     union                                    at parallelism 4: each of them a b c d e
 *
 * Invariants: what a snapshot holds for a subtask is what the subtask held at the barrier; subtasks that never changed
 * their union since the restore hold one copy between them, so that a job that only goes on does not multiply it.
 */
import { assert, present } from '../base/assert.js';
import { TidemarkError } from '../base/errors.js';
import { ValueRefused } from '../codec/codec.js';
import { keyCodecById } from '../codec/keys.js';
import { ByteReader } from '../codec/reader.js';
import type { Entry, EntryWriter } from '../format/entry.js';
import type {
  OperatorState,
  OperatorStateDeclaration,
  OperatorStateDeclarations,
} from '../graph/operator-state.js';
import { dealRuns } from './deal-runs.js';
import type { Table } from './tables.js';
import type { UnkeyedStates } from './unkeyed.js';

const places = keyCodecById('tuple(long,long)');
/** It moves by subtask, not by key group. */
const NO_GROUP = 0;

/** New contents of some states, by name. */
export type Changes = Readonly<Record<string, readonly unknown[] | undefined>>;

export class OperatorStateStore implements UnkeyedStates {
  readonly #uid: string;
  readonly #states: readonly SharedState[];

  /** `tables`: those of the graph; the operator's are found in it. */
  constructor(
    uid: string,
    declarations: OperatorStateDeclarations,
    tables: readonly Table[],
    parallelism: number,
  ) {
    this.#uid = uid;
    this.#states = Object.entries(declarations).map(([name, declared]) => {
      const own = ({ operator, kind, name: its }: Table) =>
        operator === uid && kind === declared.kind && its === name;
      return new SharedState(declared, present(tables.find(own), 'a table of operator state'), parallelism);
    });
  }

  restore(entry: Entry, table: number): void {
    const state = this.#states.find((one) => one.table === table);
    present(state, 'an operator state').restore(entry);
  }

  /** What a writer is given: a handle for each state, by name. */
  handles(subtask: number): Readonly<Record<string, OperatorState<unknown>>> {
    return Object.fromEntries(this.#states.map((state) => [state.name, new Handle(state, subtask)]));
  }

  /** What a subtask holds, by name. */
  contents(subtask: number): Readonly<Record<string, readonly unknown[]>> {
    return Object.fromEntries(this.#states.map((state) => [state.name, [...state.get(subtask)]]));
  }

  /** Puts these contents in the place of what a subtask holds. @throws TidemarkError SOURCE_FAILED */
  replace(subtask: number, changes: Changes): void {
    for (const [name, elements] of Object.entries(changes)) {
      const state = this.#states.find((one) => one.name === name);
      if (state === undefined) {
        const declared = this.#states.map((one) => one.name).join(', ') || 'none';
        const message = `a batch has new contents for state ${name}, which is not declared; declared: ${declared}`;
        throw new TidemarkError('SOURCE_FAILED', `source ${this.#uid}: ${message}`);
      }
      if (elements !== undefined) state.set(subtask, elements);
    }
  }

  write(out: EntryWriter): void {
    for (const state of this.#states) state.write(out);
  }
}

/** A batch's changes in arrays of their own: a source may go on with those it gave. Throws for what are no lists. */
export function copyChanges(changes: Changes): Changes {
  return Object.fromEntries(
    Object.entries(changes).map(([name, elements]) => {
      if (elements === undefined || Array.isArray(elements)) return [name, elements?.slice()];
      throw new TidemarkError('SOURCE_FAILED', `a batch's contents of state ${name} are no array`);
    }),
  );
}

interface Restored {
  readonly subtask: number;
  readonly place: number;
  readonly element: unknown;
}

/** One declared state, of all subtasks. */
class SharedState {
  readonly name: string;
  readonly table: number;
  readonly #what: string;
  readonly #declared: OperatorStateDeclaration;
  readonly #parallelism: number;
  #restored: Restored[] = [];
  /** What each subtask begins with; undefined until somebody asks. */
  #first: readonly (readonly unknown[])[] | undefined;
  /** What a subtask holds that has changed it. */
  readonly #own: unknown[][] = [];

  constructor(declared: OperatorStateDeclaration, { id, operator, name }: Table, parallelism: number) {
    this.name = name;
    this.table = id;
    this.#what = `state ${operator}.${name}`;
    this.#declared = declared;
    this.#parallelism = parallelism;
  }

  restore({ key, value }: Entry): void {
    assert(this.#first === undefined, 'restored after it was looked at');
    const [subtask, place] = places.read(new ByteReader(key)) as readonly [number, number];
    this.#restored.push({ subtask, place, element: this.#declared.codec.read(new ByteReader(value)) });
  }

  get(subtask: number): readonly unknown[] {
    return this.#own[subtask] ?? present(this.#begin()[subtask], 'a subtask');
  }

  set(subtask: number, elements: Iterable<unknown>): void {
    this.#own[subtask] = [...elements];
  }

  add(subtask: number, element: unknown): void {
    const own = this.#own[subtask];
    if (own === undefined) this.set(subtask, [...this.get(subtask), element]);
    else own.push(element);
  }

  write(out: EntryWriter): void {
    let sharedWritten = false;
    for (let subtask = 0; subtask < this.#parallelism; subtask++) {
      const shared = this.#declared.kind === 'operator-union' && this.#own[subtask] === undefined;
      if (!shared || !sharedWritten) this.#writeList(out, subtask, this.get(subtask));
      sharedWritten ||= shared;
    }
  }

  #writeList(out: EntryWriter, subtask: number, elements: readonly unknown[]): void {
    elements.forEach((element, place) => {
      out.begin(this.table, NO_GROUP);
      out.key(places, [subtask, place]);
      try {
        out.value(this.#declared.codec, element);
      } catch (error) {
        if (!(error instanceof ValueRefused)) throw error;
        const message = `${this.#what} of subtask ${subtask}: ${error.reason} at [${place}]${error.path}`;
        throw new TidemarkError('VALUE_REFUSED', message, {
          cause: error,
          hint: 'keep plain data in state, or declare a codec for it: state.operatorList({ codec })',
        });
      }
    });
  }

  #begin(): readonly (readonly unknown[])[] {
    this.#first ??= this.#deal();
    return this.#first;
  }

  #deal(): readonly (readonly unknown[])[] {
    const all = this.#restored
      .sort((a, b) => a.subtask - b.subtask || a.place - b.place)
      .map(({ element }) => element);
    this.#restored = [];
    if (this.#declared.kind === 'operator-list') return dealRuns(all, this.#parallelism);
    return Array.from({ length: this.#parallelism }, () => all);
  }
}

class Handle implements OperatorState<unknown> {
  readonly #state: SharedState;
  readonly #subtask: number;

  constructor(state: SharedState, subtask: number) {
    this.#state = state;
    this.#subtask = subtask;
  }

  get(): readonly unknown[] {
    return this.#state.get(this.#subtask);
  }

  get size(): number {
    return this.get().length;
  }

  set(elements: Iterable<unknown>): void {
    this.#state.set(this.#subtask, elements);
  }

  add(element: unknown): void {
    this.#state.add(this.#subtask, element);
  }

  update(change: (elements: readonly unknown[]) => Iterable<unknown>): void {
    this.set(change(this.get()));
  }

  clear(): void {
    this.set([]);
  }
}
