/** What an export reads, and what all formats have in common. */
import { type EntryView, viewEntry } from '../archive/entries-view.js';
import { tableLabel } from '../archive/table-list.js';
import { present } from '../base/assert.js';
import { systemCode, TidemarkError } from '../base/errors.js';
import { BytesDamaged } from '../codec/codec.js';
import type { Entry } from '../format/entry.js';
import type { ManifestOperator, ManifestTable } from '../format/manifest.js';
import { alsoShown, NOTHING_SHOWN, type Shown } from './table-columns.js';

/** A snapshot, wherever it lies. */
export interface ExportSource {
  /** How messages call it. */
  readonly label: string;
  readonly operators: readonly ManifestOperator[];
  readonly tables: readonly ManifestTable[];
  /** Those of one table, once each. Their buffers are valid until the next is asked for. */
  entries(table: ManifestTable): AsyncIterable<Entry>;
}

export interface ExportWork {
  readonly source: ExportSource;
  /** Of the source, without transactions. */
  readonly tables: readonly ManifestTable[];
  /** Told of entries written so far. */
  readonly onProgress?: ((entries: number) => void) | undefined;
  /** Aborted, the work ends soon with the signal's reason, and leaves nothing. */
  readonly signal?: AbortSignal | undefined;
}

/** Entries between two looks at the signal and two words on progress. */
const STRIDE = 1024;

/** Names that two tables have, a state and a timer for one: their lines say the kind, too. */
export function sharedNames(tables: readonly ManifestTable[]): ReadonlySet<string> {
  const seen = new Set<string>();
  return new Set(tables.map(tableLabel).filter((name) => seen.size === seen.add(name).size));
}

export function operatorOf({ source }: ExportWork, table: ManifestTable): ManifestOperator {
  return present(
    source.operators.find(({ uid }) => uid === table.operator),
    'an operator',
  );
}

/** Entries as lines. @throws ARCHIVE_CORRUPT */
export class Entries {
  written = 0;
  readonly #work: ExportWork;

  constructor(work: ExportWork) {
    this.#work = work;
  }

  async *views(table: ManifestTable): AsyncGenerator<EntryView, void> {
    const operator = operatorOf(this.#work, table);
    for await (const entry of this.#entries(table)) {
      yield this.#view(entry, table, operator);
      this.written++;
      if (this.written % STRIDE === 0) this.#work.onProgress?.(this.written);
    }
    this.#work.onProgress?.(this.written);
  }

  #view(entry: Entry, table: ManifestTable, operator: ManifestOperator): EntryView {
    try {
      return viewEntry(entry, table, operator);
    } catch (error) {
      // What Node throws for text beyond its limit, of half a gigabyte.
      if (systemCode(error) !== 'ERR_STRING_TOO_LONG' && !(error instanceof RangeError)) throw error;
      throw new TidemarkError(
        'INCOMPATIBLE',
        `a value of ${tableLabel(table)} has ${entry.value.length} bytes, which is too much for text`,
        { hint: 'export other states: --state uid.name' },
      );
    }
  }

  /** Reads the table once, to learn which columns it takes. */
  async shownOf(table: ManifestTable): Promise<Shown> {
    let shown = NOTHING_SHOWN;
    for await (const entry of this.#entries(table)) shown = alsoShown(shown, entry);
    return shown;
  }

  async *#entries(table: ManifestTable): AsyncGenerator<Entry, void> {
    const { source, signal } = this.#work;
    let count = 0;
    try {
      for await (const entry of source.entries(table)) {
        if (count++ % STRIDE === 0) signal?.throwIfAborted();
        yield entry;
      }
    } catch (error) {
      if (!(error instanceof BytesDamaged)) throw error;
      const message = `${source.label}: an entry of ${tableLabel(table)} is damaged: ${error.message}`;
      throw new TidemarkError('ARCHIVE_CORRUPT', message, {
        hint: 'look at all that is wrong with an archive: tidemark verify FILE',
      });
    }
  }
}
