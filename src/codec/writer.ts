/** A byte writer that grows by doubling. Positions survive growth; `bytes` may be another buffer after a write. */
export class ByteWriter {
  bytes: Buffer;
  position = 0;

  constructor(capacity = 256) {
    this.bytes = Buffer.allocUnsafeSlow(capacity);
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.position + count;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.position);
    this.bytes = grown;
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.position++] = value;
  }

  u16(value: number): void {
    this.reserve(2);
    this.position = this.bytes.writeUInt16LE(value, this.position);
  }

  u32(value: number): void {
    this.reserve(4);
    this.position = this.bytes.writeUInt32LE(value, this.position);
  }

  i64(value: bigint): void {
    this.reserve(8);
    this.position = this.bytes.writeBigInt64LE(value, this.position);
  }

  f64(value: number): void {
    this.reserve(8);
    this.position = this.bytes.writeDoubleLE(value, this.position);
  }

  /** Unsigned LEB128; `value` is an integer from 0 to 2^53−1. */
  varint(value: number): void {
    this.reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.bytes[this.position++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.bytes[this.position++] = rest;
  }

  /** UTF-8, without a length. Returns how many bytes were written. The text must be well-formed. */
  utf8(text: string): number {
    const length = text.length;
    this.reserve(length * 3);
    const { bytes } = this;
    let at = this.position;
    // Short ASCII, the common case for keys, is faster by hand than by a call into C++.
    if (length <= 32) {
      let i = 0;
      for (; i < length; i++) {
        const unit = text.charCodeAt(i);
        if (unit >= 0x80) break;
        bytes[at++] = unit;
      }
      if (i === length) {
        this.position = at;
        return length;
      }
    }
    const written = bytes.write(text, this.position, 'utf8');
    this.position += written;
    return written;
  }

  raw(source: Uint8Array): void {
    this.reserve(source.length);
    this.bytes.set(source, this.position);
    this.position += source.length;
  }

  /** A view of what was written; valid until the next write. */
  view(): Buffer {
    return this.bytes.subarray(0, this.position);
  }

  /** A copy of what was written. */
  copy(): Buffer {
    return Buffer.from(this.view());
  }

  reset(): void {
    this.position = 0;
  }
}
