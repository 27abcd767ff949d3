/**
 * One line of `--edits`: an entry as inspect shows it, set, or with `"delete": true` taken away. Pure.
 *
 *     {"operator":"count","state":"seen","key":"whale","value":3}
 *     {"operator":"count","state":"seen","key":"whale","delete":true}
 *
 * `keyGroup` may stand there and is not looked at: it follows from the key. `kind`, which an export adds where a state and a
 * timer share a name, says which of them is meant.
 */
import { TidemarkError } from '../base/errors.js';
import { BytesDamaged } from '../codec/codec.js';
import { EntryWriter } from '../format/entry.js';
import type { ManifestOperator, ManifestTable } from '../format/manifest.js';
import { EntryMaker, EntryRefused, type GivenEntry, isTimer, writeEntry } from './entry-from-view.js';
import { parseExactJson } from './exact-json.js';
import type { Findings } from './findings.js';
import { labelOf, unknownState } from './names.js';

/** A table that lines may name. */
export class EditTarget {
  readonly table: ManifestTable;
  readonly label: string;
  readonly #operator: ManifestOperator;
  readonly #expiredAt: bigint;
  #maker: EntryMaker | undefined;
  #writer: EntryWriter | undefined;
  #written: Buffer = Buffer.alloc(0);

  /** `expiredAt`: what expires then or before is in no savepoint. */
  constructor(table: ManifestTable, operator: ManifestOperator, expiredAt: number) {
    this.table = table;
    this.#expiredAt = BigInt(expiredAt);
    this.label = labelOf(table);
    this.#operator = operator;
  }

  /** The entry of a line, without a value where it is taken away. @throws EntryRefused */
  encode(fields: GivenEntry, remove: boolean): Buffer {
    this.#maker ??= new EntryMaker(this.table, this.#operator);
    const entry = remove ? this.#maker.name(fields) : this.#maker.make(fields);
    if (entry.stamp !== undefined && entry.stamp <= this.#expiredAt)
      throw new EntryRefused('expires', `it is over at the barrier, ${this.#expiredAt}`);
    this.#writer ??= new EntryWriter(
      {
        take: (length) => Buffer.allocUnsafe(length),
        full: (chunk, used) => {
          this.#written = chunk.subarray(0, used);
        },
      },
      FIRST_BYTES,
    );
    writeEntry(entry, this.#writer);
    this.#writer.flush();
    return this.#written;
  }
}

export interface Edit {
  /** The whole entry; without a value where it is taken away. */
  readonly bytes: Buffer;
  readonly remove: boolean;
  /** What messages call it. */
  readonly shown: string;
}

const FIELDS = [
  'operator',
  'state',
  'kind',
  'keyGroup',
  'key',
  'namespace',
  'mapKey',
  'value',
  'expires',
  'delete',
] as const;
const NEEDED = ['operator', 'state', 'key'] as const;
/** A buffer that grows where an entry needs more. */
const FIRST_BYTES = 512;
/** Characters of a key that a message shows. */
const MAX_SHOWN_KEY = 200;

/** What is wrong goes to `findings`, with the number of the line. */
export function readLine(
  text: string,
  line: number,
  targets: readonly EditTarget[],
  findings: Findings,
): Edit | undefined {
  const refuse = (message: string): undefined =>
    findings.add('USAGE', `line ${line}: ${message}`) as undefined;
  let json: unknown;
  try {
    json = parseExactJson(text);
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    return refuse(error.message);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return refuse('it is no object');
  const fields = json as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(fields).find((name) => !(FIELDS as readonly string[]).includes(name));
  if (unknown !== undefined)
    return refuse(`no field ${JSON.stringify(unknown.slice(0, 100))}; there are: ${FIELDS.join(', ')}`);
  const absent = NEEDED.find((name) => fields[name] === undefined);
  if (absent !== undefined) return refuse(`${absent} is missing`);
  const { delete: removes = false } = fields;
  if (typeof removes !== 'boolean') return refuse('delete: expected true or false');
  const label = `${String(fields['operator'])}.${String(fields['state'])}`;
  const { kind } = fields;
  const named = targets.filter(
    ({ table, label: own }) => own === label && (kind === undefined || kind === table.kind),
  );
  if (named.length === 0) {
    const tables = targets.map(({ table }) => table);
    findings.add('STATE_NOT_FOUND', `line ${line}: ${unknownState(label.slice(0, 400), tables)}`);
    return undefined;
  }
  const valued = named.every(({ table }) => !isTimer(table.kind));
  if (valued && !removes && fields['value'] === undefined)
    return refuse('value is missing; to take the entry away: "delete": true');
  return encode(fields, removes, named, label, refuse);
}

/** As an entry of that one of the tables of its name which it fits: a state and a timer may share one. */
function encode(
  fields: GivenEntry,
  remove: boolean,
  named: readonly EditTarget[],
  label: string,
  refuse: (message: string) => undefined,
): Edit | undefined {
  const fitting: Buffer[] = [];
  let reason = '';
  for (const target of named) {
    try {
      fitting.push(target.encode(fields, remove));
    } catch (error) {
      if (!(error instanceof EntryRefused || error instanceof BytesDamaged)) throw error;
      reason ||= error.message;
    }
  }
  const [bytes, another] = fitting;
  if (bytes === undefined) return refuse(`${label}: ${reason}`);
  if (another !== undefined)
    return refuse(`a state and a timer are called ${label}, and it may be of either: add "kind"`);
  return { bytes, remove, shown: shownEntry(label, fields) };
}

function shownEntry(label: string, { key, mapKey }: GivenEntry): string {
  const parts = [key, ...(mapKey === undefined ? [] : [mapKey])].map((part) => JSON.stringify(part));
  return `${label} ${parts.join(', ').slice(0, MAX_SHOWN_KEY)}`;
}
