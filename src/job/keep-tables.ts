import { TidemarkError } from '../base/errors.js';
import { BytesDamaged } from '../codec/codec.js';
import { EntryScan } from '../format/entry-scan.js';
import type { Block } from './gather.js';

/**
 * The entries of some tables. The blocks of a native archive hold those of all; what is not wanted is cut out of the
 * payload, which is the caller's to change.
 * @throws ARCHIVE_CORRUPT where no entry is, naming `label`.
 */
export async function* keepTables(
  blocks: AsyncIterable<Block>,
  wanted: ReadonlySet<number>,
  label: string,
): AsyncGenerator<Block, void> {
  const scan = new EntryScan();
  for await (const { payload, entries } of blocks) {
    const { kept, used } = compact(payload, wanted, scan, label);
    if (kept === entries) yield { payload, entries };
    else if (kept > 0) yield { payload: payload.subarray(0, used), entries: kept };
  }
}

/** Moves the wanted entries to the front. */
function compact(
  payload: Buffer,
  wanted: ReadonlySet<number>,
  scan: EntryScan,
  label: string,
): { readonly kept: number; readonly used: number } {
  let kept = 0;
  let used = 0;
  try {
    for (let at = 0; at < payload.length; at = scan.end) {
      scan.scan(payload, at, payload.length);
      if (!wanted.has(scan.table)) continue;
      if (used < at) payload.copyWithin(used, at, scan.end);
      used += scan.end - at;
      kept++;
    }
  } catch (error) {
    if (!(error instanceof BytesDamaged)) throw error;
    throw new TidemarkError('ARCHIVE_CORRUPT', `${label}: an entry is damaged: ${error.message}`, {
      hint: `look at all that is wrong with it: tidemark verify ${label}`,
    });
  }
  return { kept, used };
}
