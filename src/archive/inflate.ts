/** Takes a block out of its compressed form, bounded by what its list says it unfolds to. */
import { crc32, inflateRaw, inflateRawSync } from 'node:zlib';
import { BytesDamaged } from '../codec/codec.js';
import { type BlockItem, METHOD } from '../format/archive-layout.js';

/** Room for the end of the stream, so that the output never needs a second buffer. */
const MARGIN = 64;

/** What unfolds to less than this does so on this thread: the way to the pool and back costs more. */
const LEAST_POOLED = 4096;

/** The entries' bytes. The result may be a view of `stored`. Throws {@link BytesDamaged}. */
export async function unfold(item: BlockItem, stored: Buffer): Promise<Buffer> {
  checkCrc(item, stored);
  if (item.method === METHOD.stored) return stored;
  if (item.bytes < LEAST_POOLED) return unfoldNow(item, stored);
  return await new Promise((resolve, reject) => {
    inflateRaw(stored, options(item), (error, bytes) => {
      if (error === null && bytes.length === item.bytes) resolve(bytes);
      else reject(notUnfolding());
    });
  });
}

/** The same on this thread. */
export function unfoldNow(item: BlockItem, stored: Buffer): Buffer {
  checkCrc(item, stored);
  if (item.method === METHOD.stored) return stored;
  let bytes: Buffer | undefined;
  try {
    bytes = inflateRawSync(stored, options(item));
  } catch {}
  if (bytes?.length !== item.bytes) throw notUnfolding();
  return bytes;
}

function options(item: BlockItem) {
  return { maxOutputLength: item.bytes, chunkSize: item.bytes + MARGIN };
}

function checkCrc(item: BlockItem, stored: Buffer): void {
  if (crc32(stored) !== item.crc) throw new BytesDamaged('the checksum of a block is wrong', 0);
}

function notUnfolding(): BytesDamaged {
  return new BytesDamaged('a block does not unfold to the bytes its list promises', 0);
}
