/**
 * Moves keyed entries to the key groups of another maximum parallelism: the key is decoded and hashed anew, all other
 * bytes stay as they are. Values, timers and panes of one key move together, for they hash the same key.
 */
import { readAll } from '../archive/entries-view.js';
import { keyGroupOf } from '../base/key-groups.js';
import type { KeyCodec } from '../codec/key.js';
import { ByteReader } from '../codec/reader.js';
import { EntryScan } from '../format/entry-scan.js';
import { BlockBuilder, type TableBlock } from './table-blocks.js';

export class Rekey {
  /** Entries that are in another key group than before. */
  moved = 0;
  readonly #keys: KeyCodec;
  readonly #maxParallelism: number;
  readonly #scan = new EntryScan();
  /** The key hashed last: those of a map, or of a window's panes, come together. */
  #last: Buffer = Buffer.alloc(0);
  #lastGroup = -1;

  constructor(keys: KeyCodec, maxParallelism: number) {
    this.#keys = keys;
    this.#maxParallelism = maxParallelism;
  }

  /** Throws BytesDamaged for a key that is none. */
  apply({ table, payload, entries }: TableBlock): TableBlock | undefined {
    const scan = this.#scan;
    // A key group takes up to three bytes where it took one.
    const built = new BlockBuilder(table, payload.length + 2 * entries);
    for (let at = 0; at < payload.length; at = scan.end) {
      scan.scan(payload, at, payload.length);
      const group = this.#groupOf(payload, scan.identityAt);
      if (group !== scan.group) this.moved++;
      built.begin(group);
      built.out.raw(payload.subarray(scan.identityAt, scan.end));
    }
    return built.block();
  }

  #groupOf(bytes: Buffer, identityAt: number): number {
    const from = new ByteReader(bytes, identityAt);
    const length = from.varint();
    const start = from.position;
    const last = this.#last;
    const same = this.#lastGroup >= 0 && last.length === length;
    if (same && bytes.compare(last, 0, length, start, start + length) === 0) return this.#lastGroup;
    const key = bytes.subarray(start, start + length);
    this.#lastGroup = keyGroupOf(this.#keys.hash(readAll(this.#keys, key)), this.#maxParallelism);
    this.#last = Buffer.from(key);
    return this.#lastGroup;
  }
}
