import { BytesDamaged } from './codec.js';

/** Reads a buffer from front to back. Every read past the end throws {@link BytesDamaged}; nothing is allocated first. */
export class ByteReader {
  readonly bytes: Buffer;
  position: number;
  readonly end: number;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  /** Advances by `count` and returns where that began. */
  skip(count: number): number {
    const at = this.position;
    if (count < 0 || count > this.end - at)
      throw new BytesDamaged(`${count} bytes expected, ${this.end - at} left`, at);
    this.position = at + count;
    return at;
  }

  u8(): number {
    const at = this.position;
    if (at >= this.end) throw new BytesDamaged('1 byte expected, none left', at);
    this.position = at + 1;
    return this.bytes[at] as number;
  }

  u16(): number {
    return this.bytes.readUInt16LE(this.skip(2));
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.skip(4));
  }

  i64(): bigint {
    return this.bytes.readBigInt64LE(this.skip(8));
  }

  f64(): number {
    return this.bytes.readDoubleLE(this.skip(8));
  }

  /** Unsigned LEB128 up to 2^53−1; longer or non-minimal encodings are damage. */
  varint(): number {
    const start = this.position;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER || (byte === 0 && i > 0)) break;
        return value;
      }
      scale *= 128;
    }
    throw new BytesDamaged('not a valid length', start);
  }

  /** `count` bytes as a view, not a copy. */
  raw(count: number): Buffer {
    const at = this.skip(count);
    return this.bytes.subarray(at, at + count);
  }

  /** `count` bytes of UTF-8. */
  utf8(count: number): string {
    const at = this.skip(count);
    return this.bytes.toString('utf8', at, at + count);
  }
}
