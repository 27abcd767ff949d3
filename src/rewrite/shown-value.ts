/** How a value that archive/entries-view.ts shows is written by its table's codec. */
import { asBytes, valuesOf } from '../archive/entries-view.js';
import type { TableShape } from '../archive/table-list.js';
import { fromTagged } from '../archive/tagged.js';
import { ValueRefused } from '../codec/codec.js';
import type { ByteWriter } from '../codec/writer.js';

/** What stands for bytes that are of no codec at all: `{"$codec":[id,"base64"]}`. */
const RAW = '$codec';

/** Throws ValueRefused, or a TidemarkError USAGE, for what is no value of this table. */
export function writeShown(given: unknown, table: TableShape, out: ByteWriter): void {
  const { codec, kind } = table;
  const own = valuesOf(table);
  if (own === undefined) {
    const bytes = rawBytes(given, codec.id);
    if (bytes !== undefined) return out.raw(bytes);
  }
  const value = fromTagged(given);
  if (kind === 'number' && typeof value !== 'number') throw new ValueRefused(`a ${typeOf(value)}, no number`);
  if (kind === 'list' && !(Array.isArray(value) && value.length > 0))
    throw new ValueRefused('not a list with elements');
  if (own !== undefined) own.write(value, out);
  else if (kind === 'list' || value instanceof Uint8Array) asBytes(table).write(value, out);
  else
    throw new ValueRefused(
      `codec ${codec.id} is the definition's: give the bytes that it writes, {"$bytes":"base64"}`,
    );
}

function rawBytes(given: unknown, id: string): Buffer | undefined {
  // A value without a byte is shown as nothing.
  if (given === null) return Buffer.alloc(0);
  if (typeof given !== 'object' || !(RAW in given)) return undefined;
  const content = (given as Readonly<Record<string, unknown>>)[RAW];
  if (!Array.isArray(content) || content.length !== 2 || content[0] !== id) return undefined;
  const text: unknown = content[1];
  if (typeof text !== 'string') return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'list' : typeof value;
}
