/** Entries of one table of an archive whose entries are in order, one after the other. */
import type { KeyGroupRange } from '../base/key-groups.js';
import { ByteReader } from '../codec/reader.js';
import { type Entry, readEntry } from '../format/entry.js';
import { EntryScan } from '../format/entry-scan.js';
import type { ManifestOperator, ManifestTable } from '../format/manifest.js';
import type { Archive } from './read.js';

export interface EntryOf {
  readonly entry: Entry;
  readonly table: ManifestTable;
  readonly operator: ManifestOperator;
}

/** One table of one archive. */
export interface Side {
  readonly archive: Archive;
  readonly table: ManifestTable;
  readonly operator: ManifestOperator;
}

/** Stands at an entry until it is `done`; `if (!cursor.advance()) await cursor.load()` goes on. */
export class EntryCursor {
  /** Whether it is past the last. */
  done = false;
  readonly #side: Side;
  readonly #blocks: AsyncIterator<{ readonly payload: Buffer }>;
  readonly #scan = new EntryScan();
  #payload = Buffer.alloc(0) as Buffer;
  /** Where the entry begins, and the next one. */
  #at = 0;
  #next = 0;

  private constructor(side: Side, blocks: AsyncIterator<{ readonly payload: Buffer }>) {
    this.#side = side;
    this.#blocks = blocks;
  }

  /** At the first entry. */
  static async open(side: Side, groups: KeyGroupRange | undefined): Promise<EntryCursor> {
    const range = groups === undefined ? {} : { groups };
    const blocks = side.archive.blocks({ tables: [side.table.id], ...range });
    const cursor = new EntryCursor(side, blocks);
    await cursor.load();
    return cursor;
  }

  get current(): EntryOf {
    const { table, operator } = this.#side;
    return { entry: readEntry(new ByteReader(this.#payload, this.#at)), table, operator };
  }

  /** Comes to the next entry if it is in memory; false calls for `load`. */
  advance(): boolean {
    if (this.#next >= this.#payload.length) return false;
    this.#at = this.#next;
    this.#scan.scan(this.#payload, this.#at, this.#payload.length);
    this.#next = this.#scan.end;
    return true;
  }

  /** Comes to the next entry, or to the end. */
  async load(): Promise<void> {
    while (!this.advance()) {
      const found = await this.#blocks.next();
      if (found.done === true) {
        this.done = true;
        return;
      }
      this.#payload = found.value.payload;
      this.#next = 0;
    }
  }

  /** By key group and identity; one that has no entry left is above all. */
  compare(other: EntryCursor): number {
    if (this.done || other.done) return Number(this.done) - Number(other.done);
    const [own, its] = [this.#scan, other.#scan];
    return (
      own.group - its.group ||
      this.#payload.compare(other.#payload, its.identityAt, its.identityEnd, own.identityAt, own.identityEnd)
    );
  }

  /** Whether two entries of one identity are equal. */
  sameAs(other: EntryCursor): boolean {
    const [own, its] = [this.#scan, other.#scan];
    return this.#payload.compare(other.#payload, its.identityEnd, its.end, own.identityEnd, own.end) === 0;
  }

  /** The bytes of the entry's value, and of its map key, as a string of them. */
  value(): string {
    const mapKey = this.#scan.mapKey(this.#payload)?.toString('latin1') ?? '';
    return this.#payload.toString('latin1', this.#scan.valueAt, this.#scan.end) + mapKey;
  }
}
