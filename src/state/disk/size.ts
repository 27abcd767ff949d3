/**
 * About how many bytes a value takes on the heap, for a budget: looks at a bounded number of nodes and infers the rest
 * of a long array, Map or Set from those it saw. Too low for a deep object with many small parts beyond the bound; what
 * is written or loaded is held against its encoded size, too.
 */

/** The most nodes looked at. */
const MOST_NODES = 32;
const WORD = 8;
const NUMBER_BYTES = 16;
const STRING_BYTES = 24;
const OBJECT_BYTES = 24;
const ARRAY_BYTES = 48;
const BIGINT_BYTES = 32;
const DATE_BYTES = 96;
const BUFFER_BYTES = 224;
const TABLE_BYTES = 192;
const TABLE_ENTRY_BYTES = 40;
/** The first character that takes two bytes, and with it all of its string. */
const FIRST_WIDE = 0x100;

export function sizeOf(value: unknown): number {
  switch (typeof value) {
    case 'number':
      return NUMBER_BYTES;
    case 'string':
      return sizeOfString(value);
    case 'bigint':
      return BIGINT_BYTES;
    case 'object':
      return value === null ? 0 : new Walk().object(value);
    default:
      return 0;
  }
}

export function sizeOfString(text: string): number {
  const { length } = text;
  const wide = length > 0 && Math.max(text.charCodeAt(0), text.charCodeAt(length >> 1)) >= FIRST_WIDE;
  return STRING_BYTES + (wide ? 2 * length : length);
}

class Walk {
  #left = MOST_NODES;

  object(value: object): number {
    if (Array.isArray(value)) return ARRAY_BYTES + value.length * WORD + this.#each(value, value.length);
    if (ArrayBuffer.isView(value)) return BUFFER_BYTES + value.byteLength;
    if (value instanceof Date) return DATE_BYTES;
    if (value instanceof Map) {
      return (
        TABLE_BYTES +
        value.size * TABLE_ENTRY_BYTES +
        this.#each(value.keys(), value.size) +
        this.#each(value.values(), value.size)
      );
    }
    if (value instanceof Set)
      return TABLE_BYTES + value.size * TABLE_ENTRY_BYTES + this.#each(value, value.size);
    return OBJECT_BYTES + this.#properties(value);
  }

  #value(value: unknown): number {
    this.#left--;
    return typeof value === 'object' && value !== null ? this.object(value) : sizeOf(value);
  }

  #each(values: Iterable<unknown>, count: number): number {
    let seen = 0;
    let bytes = 0;
    for (const value of values) {
      if (this.#left <= 0) break;
      bytes += this.#value(value);
      seen++;
    }
    return seen === 0 ? 0 : Math.ceil((bytes * count) / seen);
  }

  #properties(value: object): number {
    let bytes = 0;
    for (const name in value) {
      if (this.#left <= 0) break;
      bytes += WORD + this.#value((value as Record<string, unknown>)[name]);
    }
    return bytes;
  }
}
