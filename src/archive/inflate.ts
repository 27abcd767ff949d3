/** Takes a block out of its compressed form, bounded by what its list says it unfolds to. */
import { crc32, inflateRaw, inflateRawSync } from 'node:zlib';
import { BytesDamaged } from '../codec/codec.js';
import { type BlockItem, METHOD } from '../format/archive-layout.js';

/** Room for the end of the stream, so that the output never needs a second buffer. */
const MARGIN = 64;

/** The entries' bytes. The result may be a view of `stored`. Throws {@link BytesDamaged}. */
export async function unfold(item: BlockItem, stored: Buffer): Promise<Buffer> {
  checkCrc(item, stored);
  if (item.method === METHOD.stored) return stored;
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
