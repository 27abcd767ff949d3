/**
 * A key as the store finds it: the identity of its entry where there is no map key, and the beginning of those with one.
 *
 *     bytes   [ varint length │ key │ 0 │ 0 ]          0: no namespace, 0: no map key
 *               from            keyAt keyEnd  end
 */
import type { Key, KeyCodec } from '../../codec/key.js';
import { ByteWriter } from '../../codec/writer.js';
import { varintBytes } from '../../format/entry-scan.js';

/** Room before the key for the longest length. */
const KEY_AT = 8;

export class Probe {
  group = 0;
  from = 0;
  readonly keyAt = KEY_AT;
  keyEnd = 0;
  end = 0;
  readonly #out = new ByteWriter(64);

  get bytes(): Buffer {
    return this.#out.bytes;
  }

  set(keys: KeyCodec, key: Key, group: number): void {
    const out = this.#out;
    out.position = KEY_AT;
    keys.write(key, out);
    const { position } = out;
    const length = position - KEY_AT;
    this.group = group;
    this.from = KEY_AT - varintBytes(length);
    this.keyEnd = position;
    this.end = position + 2;
    out.u8(0);
    out.u8(0);
    out.position = this.from;
    out.varint(length);
  }
}
