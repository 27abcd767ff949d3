/** The numbers of the value codec. Stored: never change one; FORMAT.md lists them. */

/** MessagePack's first bytes, those that are used. */
export const TAG = {
  fixmap: 0x80,
  fixarray: 0x90,
  fixstr: 0xa0,
  nil: 0xc0,
  false: 0xc2,
  true: 0xc3,
  bin8: 0xc4,
  bin16: 0xc5,
  bin32: 0xc6,
  ext8: 0xc7,
  ext16: 0xc8,
  ext32: 0xc9,
  float64: 0xcb,
  uint8: 0xcc,
  uint16: 0xcd,
  uint32: 0xce,
  uint64: 0xcf,
  int8: 0xd0,
  int16: 0xd1,
  int32: 0xd2,
  int64: 0xd3,
  fixext1: 0xd4,
  fixext2: 0xd5,
  fixext4: 0xd6,
  fixext8: 0xd7,
  fixext16: 0xd8,
  str8: 0xd9,
  str16: 0xda,
  str32: 0xdb,
  array16: 0xdc,
  array32: 0xdd,
  map16: 0xde,
  map32: 0xdf,
  negativeFixint: 0xe0,
} as const;

/** Extension types; −1 is MessagePack's own timestamp. */
export const EXT = {
  undefined: 0,
  /** 8 bytes, two's complement, where it fits; else a sign byte (0 or 1) and the magnitude. Big-endian. */
  bigint: 1,
  /** Keys and values in turn. Always in the ext 32 form, so that its length can be filled in after. */
  map: 2,
  /** Elements. Always in the ext 32 form. */
  set: 3,
  /** A {@link BINARY} byte, then the raw bytes, little-endian. */
  binary: 4,
  /** Always in the 96-bit form: u32 nanoseconds, i64 seconds. */
  timestamp: -1,
} as const;

/** What an ext `binary` is. Uint8Array is not among them: it is MessagePack's own `bin`. */
export const BINARY = {
  ArrayBuffer: 0,
  Buffer: 1,
  DataView: 2,
  Int8Array: 3,
  Uint8ClampedArray: 4,
  Int16Array: 5,
  Uint16Array: 6,
  Int32Array: 7,
  Uint32Array: 8,
  Float32Array: 9,
  Float64Array: 10,
  BigInt64Array: 11,
  BigUint64Array: 12,
} as const;

/** How deep arrays, objects, maps and sets may nest. */
export const MAX_VALUE_DEPTH = 128;
/** The largest bigint, in bytes of its magnitude. */
export const MAX_BIGINT_BYTES = 16 * 1024 * 1024;
/** The largest time a Date can hold, milliseconds either side of 1970. */
export const MAX_DATE = 8.64e15;
