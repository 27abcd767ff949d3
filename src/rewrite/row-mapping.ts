/**
 * Which columns of somebody's rows make which part of an entry: by their names, as exports have them, or as flags say.
 * What is no part of it is a member of the value, an object, where no column is the value.
 */

import { tableLabel } from '../archive/table-list.js';
import type { Json } from '../archive/tagged.js';
import { TidemarkError } from '../base/errors.js';
import type { SqlValue } from '../sqlite/sqlite.js';
import { jsonOfCell, jsonOfCsvCell, plainJson } from './cells.js';
import { type GivenEntry, isTimer } from './entry-from-view.js';
import { parseExactJson } from './exact-json.js';
import type { TargetState } from './import-target.js';
import { type Column, givenOf, keyColumns, keyTypeOf, possibleColumns } from './table-columns.js';

/** What flags say of columns. */
export interface ColumnFlags {
  /** In the order of a tuple's places. */
  readonly keys: readonly string[];
  readonly mapKey: string | undefined;
  readonly value: string | undefined;
  /** Columns whose text is JSON, and those whose text is text, whatever it looks like. */
  readonly json: readonly string[];
  readonly text: readonly string[];
}

export const NO_FLAGS: ColumnFlags = { keys: [], mapKey: undefined, value: undefined, json: [], text: [] };

export function isFlagged({ keys, mapKey, value, json, text }: ColumnFlags): boolean {
  return keys.length + json.length + text.length > 0 || mapKey !== undefined || value !== undefined;
}

/** What a column is: a part of the entry, a member of its value, or nothing. */
type Role = Column | 'member' | 'ignored';

/** Reads rows of one set of columns. */
export class RowMapping {
  readonly #names: readonly string[];
  readonly #roles: readonly Role[];
  readonly #parts: readonly Column[];
  readonly #members: readonly number[];

  /** @throws USAGE where the columns make no entries of this state */
  constructor(names: readonly string[], state: TargetState, flags: ColumnFlags) {
    const roles = new Roles(names, state, flags);
    this.#names = names;
    this.#roles = roles.all;
    this.#parts = roles.all.filter((role) => typeof role === 'object');
    this.#members = roles.all.flatMap((role, i) => (role === 'member' ? [i] : []));
  }

  /** `read` makes tagged JSON of the nth cell. What is a member of the value is of type `any`. */
  given(read: (place: number, type: string) => unknown): GivenEntry {
    const cells: unknown[] = [];
    for (const [i, role] of this.#roles.entries())
      if (typeof role === 'object') cells.push(read(i, role.type));
    const given = givenOf(this.#parts, cells);
    if (this.#members.length === 0) return given;
    const value: Record<string, unknown> = {};
    for (const place of this.#members) {
      const member = {
        value: read(place, 'any') ?? null,
        writable: true,
        enumerable: true,
        configurable: true,
      };
      Object.defineProperty(value, this.#names[place] ?? '', member);
    }
    const tagged = this.#names[this.#members[0] ?? 0]?.startsWith('$') === true;
    return { ...given, value: tagged ? { $object: value } : value };
  }
}

class Roles {
  readonly all: readonly Role[];
  readonly #names: readonly string[];
  readonly #state: TargetState;
  readonly #flags: ColumnFlags;

  constructor(names: readonly string[], state: TargetState, flags: ColumnFlags) {
    this.#names = names;
    this.#state = state;
    this.#flags = flags;
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined)
      throw this.#usage(`the column ${JSON.stringify(twice)} is there twice`, 'give each a name of its own');
    const parts = new Map([...this.#named(), ...this.#keys(), ...this.#flagged()]);
    const whole = isTimer(state.table.kind) || [...parts.values()].some(({ part }) => part === 'value');
    const rest = names.filter((name) => !parts.has(name));
    if (whole && flags.value === undefined && flags.keys.length === 0 && rest.length > 0)
      throw this.#usage(`the column ${JSON.stringify(rest[0])} is no part of ${this.#label}`);
    if (!whole && rest.length === 0) throw this.#usage('no column is the value');
    this.all = names.map((name) => parts.get(name) ?? (whole ? 'ignored' : 'member'));
  }

  /** Columns that are called as those of exports are: not where flags say what is the key. */
  #named(): readonly (readonly [string, Column])[] {
    const { table, operator } = this.#state;
    const { keys, value } = this.#flags;
    if (keys.length > 0) return [];
    return [...possibleColumns(table, operator)].filter(
      ([name, { part }]) => this.#names.includes(name) && !(part === 'value' && value !== undefined),
    );
  }

  #keys(): readonly (readonly [string, Column])[] {
    const { table, operator } = this.#state;
    const { keys } = this.#flags;
    const own = keyColumns(table, operator);
    if (keys.length === 0) {
      const absent = own.find(({ name }) => !this.#names.includes(name));
      if (absent === undefined) return [];
      throw this.#usage(
        `no column ${absent.name} for the key`,
        this.#otherDelimiter() ?? 'say which it is: --key COLUMN',
      );
    }
    for (const key of keys) this.#demand(key, '--key');
    const [only] = own;
    if (only === undefined) throw this.#usage(`${this.#label} has no keys`, 'leave --key out');
    if (keys.length > 1 && keyTypeOf(table, operator) === 'auto')
      return keys.map((name, place) => [name, { name, part: 'key', place, type: 'auto' }]);
    if (keys.length !== own.length)
      throw this.#usage(
        `${keys.length} columns for keys of type ${keyTypeOf(table, operator)}, which has ${own.length}`,
        'give --key as often as the tuple has places',
      );
    return own.map((column, i) => [keys[i] ?? '', column]);
  }

  #flagged(): readonly (readonly [string, Column])[] {
    const { value, mapKey, json, text } = this.#flags;
    const possible = possibleColumns(this.#state.table, this.#state.operator);
    for (const name of json) this.#demand(name, '--json-column');
    for (const name of text) this.#demand(name, '--text-column');
    const flag = (option: string, column: string, name: string | undefined) => {
      if (name === undefined) return [];
      this.#demand(name, option);
      const found = possible.get(column);
      if (found === undefined) throw this.#usage(`${this.#label} has none`, `leave ${option} out`);
      return [[name, found] as const];
    };
    return [...flag('--value', 'value', value), ...flag('--map-key', 'map_key', mapKey)];
  }

  #demand(name: string, option: string): void {
    if (!this.#names.includes(name))
      throw this.#usage(
        `${option} ${name}: there is no such column`,
        'names are told apart by upper and lower case',
      );
  }

  /** One column of a name that looks like several: what spreadsheets write where the comma is in numbers. */
  #otherDelimiter(): string | undefined {
    const [only = '', second] = this.#names;
    const found = second === undefined ? /[;\t|]/.exec(only)?.[0] : undefined;
    if (found === undefined) return undefined;
    return `if they are several: --delimiter ${found === '\t' ? "$'\\t'" : `'${found}'`}`;
  }

  get #label(): string {
    return tableLabel(this.#state.table);
  }

  #usage(what: string, hint = 'say which is which: --key COLUMN, --value COLUMN'): TidemarkError {
    const names = this.#names.slice(0, 20).join(', ').slice(0, 500);
    return new TidemarkError('USAGE', `${what}; the columns are ${names}`, { hint });
  }
}

const NO_CHARACTER = '\ufffd';

/** How cells become tagged JSON. */
export type ReadCell<C> = (cell: C, type: string, name: string) => unknown;

/** `ours`: written by an export, which marks what is JSON. */
export function sqlCellReader(ours: boolean, { json, text }: ColumnFlags): ReadCell<SqlValue> {
  return (cell, type, name) => {
    // SQLite keeps any bytes as text, and its library puts this in the place of those that are none.
    if (!ours && typeof cell === 'string' && cell.includes(NO_CHARACTER))
      throw new TidemarkError('USAGE', `${name}: text that is no UTF-8, or has the character U+FFFD in it`);
    if (typeof cell === 'string' && text.includes(name)) return cell;
    if (typeof cell === 'string' && json.includes(name)) return parseExactJson(cell);
    if (ours) return jsonOfCell(cell, type === 'string');
    if (type === 'boolean' && (cell === 0n || cell === 1n)) return cell === 1n;
    return plainJson(cell);
  };
}

export function csvCellReader(ours: boolean, { json, text }: ColumnFlags): ReadCell<string> {
  return (cell, type, name) => {
    if (text.includes(name)) return cell;
    if (json.includes(name)) return cell === '' ? undefined : parseExactJson(cell);
    return ours ? jsonOfCsvCell(cell, type === 'string') : typedText(cell, type);
  };
}

/** Text of a column that knows no types, as the one that is wanted; as it is where it is none. */
function typedText(cell: string, type: string): Json {
  const text = cell.trim();
  switch (type) {
    case 'int':
    case 'long':
      return /^[-+]?\d+$/.test(text) ? (plainJson(BigInt(text.replace(/^\+/, ''))) as Json) : cell;
    case 'double':
      return /^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i.test(text)
        ? (plainJson(Number(text)) as Json)
        : cell;
    case 'boolean':
      return text === 'true' || text === 'false' ? text === 'true' : cell;
    case 'auto':
      if (!/^\s*(?:[-+.\d]+(?:e[-+]?\d+)?|true|false)\s*$/i.test(cell)) return cell;
      throw new TidemarkError(
        'USAGE',
        `${cell.slice(0, 40)} may be text or not, and keys of type auto may be both: --text-column or --json-column says which`,
      );
    default:
      return cell;
  }
}
