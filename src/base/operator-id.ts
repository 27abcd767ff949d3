/** Operator ids, as Apache Flink computes them from a uid (`StreamGraphHasherV2.generateUserSpecifiedHash`). */

const MASK = (1n << 64n) - 1n;
const C1 = 0x87c37b91114253d5n;
const C2 = 0x4cf5ad432745937fn;
const BLOCK = 16;

/** murmur3_128 (x64 variant, seed 0) over the UTF-8 uid, as 32 hex digits. Rare, so BigInt is fast enough. */
export function operatorId(uid: string): string {
  const bytes = Buffer.from(uid, 'utf8');
  const whole = bytes.length - (bytes.length % BLOCK);
  let h1 = 0n;
  let h2 = 0n;
  for (let at = 0; at < whole; at += BLOCK) {
    h1 ^= mixFirst(bytes.readBigUInt64LE(at));
    h1 = times(rotate(h1, 27n) + h2, 5n, 0x52dce729n);
    h2 ^= mixSecond(bytes.readBigUInt64LE(at + 8));
    h2 = times(rotate(h2, 31n) + h1, 5n, 0x38495ab5n);
  }
  const tail = Buffer.alloc(BLOCK);
  bytes.copy(tail, 0, whole);
  h1 ^= mixFirst(tail.readBigUInt64LE(0));
  h2 ^= mixSecond(tail.readBigUInt64LE(8));
  return finish(h1, h2, BigInt(bytes.length));
}

function finish(first: bigint, second: bigint, length: bigint): string {
  let h1 = first ^ length;
  let h2 = second ^ length;
  h1 = (h1 + h2) & MASK;
  h2 = (h2 + h1) & MASK;
  h1 = avalanche(h1);
  h2 = avalanche(h2);
  h1 = (h1 + h2) & MASK;
  h2 = (h2 + h1) & MASK;
  const out = Buffer.alloc(BLOCK);
  out.writeBigUInt64LE(h1, 0);
  out.writeBigUInt64LE(h2, 8);
  return out.toString('hex');
}

function mixFirst(word: bigint): bigint {
  return (rotate((word * C1) & MASK, 31n) * C2) & MASK;
}

function mixSecond(word: bigint): bigint {
  return (rotate((word * C2) & MASK, 33n) * C1) & MASK;
}

function times(value: bigint, factor: bigint, plus: bigint): bigint {
  return (value * factor + plus) & MASK;
}

function rotate(word: bigint, by: bigint): bigint {
  return ((word << by) | (word >> (64n - by))) & MASK;
}

function avalanche(word: bigint): bigint {
  let k = word ^ (word >> 33n);
  k = (k * 0xff51afd7ed558ccdn) & MASK;
  k ^= k >> 33n;
  k = (k * 0xc4ceb9fe1a85ec53n) & MASK;
  return k ^ (k >> 33n);
}
