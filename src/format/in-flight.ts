/** How elements in flight are found in a snapshot: by `[subtask, place, timestamp]`. FORMAT.md section 3. */
export const IN_FLIGHT_KEY = 'tuple(long,long,long)';

/** Of an element without a timestamp. */
const NO_TIMESTAMP = -(2n ** 63n);

/** `timestamp`: NaN where there is none. */
export function writtenTimestamp(timestamp: number): number | bigint {
  return Number.isNaN(timestamp) ? NO_TIMESTAMP : timestamp;
}

/** NaN where there is none; undefined for what is no timestamp. */
export function readTimestamp(written: number | bigint): number | undefined {
  if (typeof written === 'number') return written;
  return written === NO_TIMESTAMP ? Number.NaN : undefined;
}
