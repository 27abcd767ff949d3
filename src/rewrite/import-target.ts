/** The states that rows may be meant for, and what a source of rows gives. */
import { type TableShape, tableLabel } from '../archive/table-list.js';
import { present } from '../base/assert.js';
import { TidemarkError } from '../base/errors.js';
import type { ManifestOperator } from '../format/manifest.js';
import { EntryMaker, type GivenEntry } from './entry-from-view.js';

/** One state of the archive to be made. */
export interface TargetState {
  readonly table: TableShape;
  readonly operator: ManifestOperator;
  readonly maker: EntryMaker;
}

/** Where a row stands: `line 5`, `row 7 of accounts`. */
export interface Place {
  readonly unit: string;
  readonly number: number;
  readonly of?: string;
}

/** A row of data: an entry of a state, or why it is none. */
export type DataRow =
  | { readonly place: Place; readonly state: TargetState; readonly given: GivenEntry }
  | { readonly place: Place; readonly problem: string };

export function placeText({ unit, number, of }: Place): string {
  return of === undefined ? `${unit} ${number}` : `${unit} ${number} of ${of}`;
}

/** Names shown in an error. */
const SHOWN = 20;

export class ImportTarget {
  /** What rows are for: of others none is taken. Undefined: all there are. */
  readonly only: readonly TargetState[] | undefined;
  readonly #states: readonly TargetState[];
  readonly #byName = new Map<string, TargetState>();
  readonly #where: string;

  /** `where` is what messages call the archive. @throws STATE_NOT_FOUND for an `only` that is not there */
  constructor(
    operators: readonly ManifestOperator[],
    tables: readonly TableShape[],
    where: string,
    only: string | undefined,
  ) {
    const byUid = new Map(operators.map((operator) => [operator.uid, operator]));
    this.#where = where;
    this.#states = tables
      .filter(({ kind }) => kind !== 'transactions')
      .map((table) => {
        const operator = present(byUid.get(table.operator), 'an operator');
        return { table, operator, maker: new EntryMaker(table, operator) };
      });
    if (only === undefined) return;
    this.only = this.#states.filter(({ table }) => tableLabel(table) === only);
    if (this.only.length === 0) throw new TidemarkError('STATE_NOT_FOUND', this.#unknown(only), this.#hint());
  }

  /** The one state that all rows are for. @throws USAGE where that is not clear */
  get single(): TargetState {
    const [first, second] = this.only ?? this.#states;
    if (first !== undefined && second === undefined) return first;
    const unclear =
      this.only === undefined
        ? 'which state the rows are of'
        : `which ${tableLabel(present(first?.table, 'a state'))} is meant`;
    throw new TidemarkError('USAGE', `it is not clear ${unclear}`, {
      hint:
        this.only === undefined ? 'say it: --state uid.name' : 'import it from JSON lines that say the kind',
    });
  }

  /** The state of that name; a text says why there is none. */
  find(operator: string, state: string, kind: string | undefined): TargetState | string {
    const name = JSON.stringify([operator, state, kind]);
    const known = this.#byName.get(name) ?? this.#search(operator, state, kind);
    // Of what is not there, data may name any number.
    if (typeof known !== 'string') this.#byName.set(name, known);
    return known;
  }

  /** Whether rows of the state are wanted. */
  takes(state: TargetState): boolean {
    return this.only === undefined || this.only.includes(state);
  }

  #search(operator: string, state: string, kind: string | undefined): TargetState | string {
    const found = this.#states.filter(
      ({ table }) =>
        table.operator === operator &&
        (table.name === '' ? table.kind : table.name) === state &&
        (kind === undefined || table.kind === kind),
    );
    const [first, second] = found;
    if (first === undefined) return this.#unknown(`${operator}.${state}`);
    if (second === undefined) return first;
    return `${operator}.${state} is two things: "kind" says which, ${first.table.kind} or ${second.table.kind}`;
  }

  #unknown(name: string): string {
    return `${this.#where} has no state ${JSON.stringify(name.slice(0, 300))}`;
  }

  #hint(): { readonly hint: string } {
    const names = [...new Set(this.#states.map(({ table }) => tableLabel(table)))];
    const more = names.length > SHOWN ? `, … ${names.length - SHOWN} more` : '';
    return { hint: names.length === 0 ? 'it has none' : `it has ${names.slice(0, SHOWN).join(', ')}${more}` };
  }
}
