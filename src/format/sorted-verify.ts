/**
 * Holds a sorted segment against itself while it is read front to back: the order of its entries, and then filter,
 * index, stats and tail against those that follow from the blocks. Keeps the index in memory, and what it has to
 * compare of the filter: a checksum a page.
 */

import { crc32 } from 'node:zlib';
import { BytesDamaged } from '../codec/codec.js';
import { EntryScan } from './entry-scan.js';
import { segmentCorrupt } from './segment-corrupt.js';
import type { SegmentTotals } from './segment-layout.js';
import { MAX_PAGE_BYTES } from './sorted-filter.js';
import { MAX_INDEX_BYTES, SORTED_BLOCK_BYTES } from './sorted-layout.js';
import { SortedSections } from './sorted-sections.js';

/** What is compared at once. */
const PIECE_BYTES = 64 * 1024;

/** Fills the buffer from the bytes at that offset. */
export type Fill = (into: Buffer, offset: number) => Promise<Buffer>;

export class SortedVerifier {
  readonly #label: string;
  readonly #scan = new EntryScan();
  readonly #pages: { readonly bytes: number; readonly crc: number }[] = [];
  readonly #sections = new SortedSections((page) => {
    this.#pages.push({ bytes: page.length, crc: crc32(page) });
  });

  constructor(label: string) {
    this.#label = label;
  }

  /** The next block; its payload lies at `offset`. @throws TidemarkError SEGMENT_CORRUPT */
  block(payload: Buffer, entries: number, offset: number): void {
    if (entries > 1 && payload.length > SORTED_BLOCK_BYTES)
      throw segmentCorrupt(this.#label, offset, `${entries} entries in a block of ${payload.length} bytes`);
    try {
      this.#entries(payload, entries, offset);
    } catch (error) {
      if (!(error instanceof BytesDamaged)) throw error;
      throw segmentCorrupt(this.#label, offset + error.offset, error.message);
    }
    this.#sections.hold();
    this.#sections.endBlock(payload.length);
  }

  /** Reads what follows the trailer, which ends at `at`; returns where that ends. @throws TidemarkError SEGMENT_CORRUPT */
  async rest(fill: Fill, at: number, totals: SegmentTotals): Promise<number> {
    const { index, stats, tail } = this.#sections.finish(totals);
    if (index.length > MAX_INDEX_BYTES)
      throw segmentCorrupt(this.#label, at, `an index of ${index.length} bytes`);
    let next = at;
    const page = Buffer.allocUnsafe(MAX_PAGE_BYTES);
    for (const { bytes, crc } of this.#pages) {
      if (crc32(await fill(page.subarray(0, bytes), next)) !== crc)
        throw segmentCorrupt(this.#label, next, 'a page of the filter is not that of the entries');
      next += bytes;
    }
    for (const [what, expected] of Object.entries({ index, stats, tail })) {
      await this.#compare(fill, next, expected, what);
      next += expected.length;
    }
    return next;
  }

  #entries(payload: Buffer, entries: number, offset: number): void {
    const scan = this.#scan;
    let found = 0;
    for (let at = 0; at < payload.length; at = scan.end, found++) {
      scan.scan(payload, at, payload.length);
      const { table, group, identityAt, identityEnd, end } = scan;
      if (!this.#sections.add(table, group, payload, identityAt, identityEnd, end - at))
        throw new BytesDamaged('an entry does not come after the one before', at);
    }
    if (found !== entries)
      throw segmentCorrupt(this.#label, offset, `${entries} entries expected, ${found} found`);
  }

  async #compare(fill: Fill, offset: number, expected: Buffer, what: string): Promise<void> {
    const room = Buffer.allocUnsafe(Math.min(PIECE_BYTES, expected.length));
    for (let at = 0; at < expected.length; at += room.length) {
      const piece = expected.subarray(at, at + room.length);
      const found = await fill(room.subarray(0, piece.length), offset + at);
      if (!found.equals(piece))
        throw segmentCorrupt(this.#label, offset + at, `the ${what} is not that of the entries`);
    }
  }
}
