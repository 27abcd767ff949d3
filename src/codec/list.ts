/**
 * A list as one value: the header of a MessagePack array, then each element by its own codec. With the value codec
 * for elements this is the value codec's array, byte for byte.
 */
import { BytesDamaged, type Codec, ValueRefused } from './codec.js';
import type { ByteReader } from './reader.js';
import { count } from './scalar-read.js';
import { writeArrayHeader } from './scalar-write.js';
import { TAG } from './value-tags.js';
import type { ByteWriter } from './writer.js';

/**
 * A codec for whole lists, from one for their elements; each element must take at least one byte. Refusals name the
 * element, as `[3].a`.
 */
export function listCodec<T>(element: Codec<T>): Codec<readonly T[]> {
  return {
    id: `list(${element.id})`,
    version: element.version,
    write(list: readonly T[], out: ByteWriter): void {
      writeArrayHeader(list.length, out);
      for (let i = 0; i < list.length; i++) writeElement(element, list[i] as T, i, out);
    },
    read(from: ByteReader, version?: number): T[] {
      const length = readLength(from);
      const list: T[] = [];
      for (let i = 0; i < length; i++) list.push(element.read(from, version));
      return list;
    },
  };
}

function writeElement<T>(codec: Codec<T>, element: T, index: number, out: ByteWriter): void {
  const before = out.position;
  try {
    codec.write(element, out);
  } catch (error) {
    if (error instanceof ValueRefused)
      throw new ValueRefused(error.reason, `[${index}]${error.path}`, error.cause);
    throw error;
  }
  if (out.position === before) throw new ValueRefused(`codec ${codec.id} wrote no byte`, `[${index}]`);
}

function readLength(from: ByteReader): number {
  const at = from.position;
  const tag = from.u8();
  let length: number;
  if (tag >= TAG.fixarray && tag < TAG.fixstr) length = tag - TAG.fixarray;
  else if (tag === TAG.array16 || tag === TAG.array32) length = count(tag - TAG.array16, from);
  else throw new BytesDamaged('not a list', at);
  if (length > from.remaining) throw new BytesDamaged(`${length} elements in ${from.remaining} bytes`, at);
  return length;
}
