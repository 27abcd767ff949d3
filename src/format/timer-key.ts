/**
 * How a timer is kept as an entry (entry.ts), so that (table, group, key, namespace, mapKey) names it once:
 *
 *     key     the key the timer belongs to
 *     mapKey  8 bytes: its time in milliseconds since 1970 as i64, big-endian, sign bit flipped
 *     value   empty
 *
 * Flipping the sign bit makes the order of the bytes the order of the times. Times beyond ±(2^53−1) are damage
 * in version 1; 2^63−1 is kept for the end of time.
 */
import { BytesDamaged, type Codec } from '../codec/codec.js';
import type { ByteReader } from '../codec/reader.js';
import type { ByteWriter } from '../codec/writer.js';
import type { Encoder } from './entry.js';

export const TIMER_KEY_BYTES = 8;
const SIGN_BIT = 0x8000_0000;
const LOW_WORD = 0x1_0000_0000;

/** The mapKey of a timer. A time must be a safe integer. */
export const timerKey: Codec<number> = {
  id: 'timer-time',
  version: 1,
  write(time: number, out: ByteWriter): void {
    out.reserve(TIMER_KEY_BYTES);
    const high = Math.floor(time / LOW_WORD);
    out.bytes.writeUInt32BE(((high | 0) ^ SIGN_BIT) >>> 0, out.position);
    out.bytes.writeUInt32BE(time - high * LOW_WORD, out.position + 4);
    out.position += TIMER_KEY_BYTES;
  },
  read(from: ByteReader): number {
    const at = from.skip(TIMER_KEY_BYTES);
    const high = from.bytes.readUInt32BE(at) - SIGN_BIT;
    const time = high * LOW_WORD + from.bytes.readUInt32BE(at + 4);
    if (!Number.isSafeInteger(time)) throw new BytesDamaged('a timer beyond the range of times', at);
    return time;
  },
};

/** The value of an entry that says all it has to say by being there. */
export const emptyValue: Encoder<undefined> = { write: () => {} };
