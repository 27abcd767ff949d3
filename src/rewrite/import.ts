/**
 * Makes an archive in which rows of data stand for the entries of some states, and all else is as in another archive, or
 * empty where there is none.
 *
 *     rows ─▶ EntryMaker ─▶ chunks ─▶ Identities: none twice ─┐
 *     base ── all states but those that the rows replace ─────┴─▶ writeArchive, which sorts ─▶ commit
 *             (with `merge`: their entries that no row names, too)
 *
 * Invariants: a row that is no entry is listed, with where it stands and why, and then nothing is written; memory does
 * not grow with the data, nor with the archive.
 */

import { setImmediate } from 'node:timers/promises';
import type { OnProgress } from '../archive/canonicalize.js';
import type { ArchiveOutput } from '../archive/output.js';
import type { Archive } from '../archive/read.js';
import type { Signer } from '../archive/sign.js';
import { type TableShape, tableLabel } from '../archive/table-list.js';
import { type PreparedArchive, writeArchive } from '../archive/write.js';
import { assert } from '../base/assert.js';
import type { Disk } from '../base/disk.js';
import { type Entry, EntryWriter } from '../format/entry.js';
import { EntryScan } from '../format/entry-scan.js';
import type { ManifestOperator } from '../format/manifest.js';
import type { Provenance } from '../format/provenance.js';
import type { Payload, SortLimits } from '../store/sort-buffer.js';
import { EntryRefused, writeEntry } from './entry-from-view.js';
import { Findings } from './findings.js';
import { Identities } from './identities.js';
import { type DataRow, type Place, placeText, type TargetState } from './import-target.js';

const CHUNK_BYTES = 64 * 1024;
/** Problems kept; more of them are counted. */
const MAX_PROBLEMS = 1024;
/** Characters of one. */
const MAX_PROBLEM = 1024;
/** Rows between two turns of the event loop: signals come in then, and rows may come from memory. */
const STRIDE = 1024;

export interface ImportOptions {
  readonly disk: Disk;
  /** A folder that is there, for temporary files. */
  readonly spoolFolder: string;
  /** Absent: what is written is not signed, whether the input is or not. */
  readonly sign?: Signer | undefined;
  readonly output: ArchiveOutput;
  /** Where all that is not replaced comes from; open until the promise settles. Without it the archive has nothing else. */
  readonly base: Archive | undefined;
  readonly operators: readonly ManifestOperator[];
  /** Of the base, where there is one: `id` is the place in its list. */
  readonly tables: readonly TableShape[];
  readonly rows: AsyncIterable<DataRow>;
  /** Replaced whether there are rows of them or not. */
  readonly replaced: readonly TargetState[];
  /** Entries that no row names stay. */
  readonly merge: boolean;
  readonly provenance: Provenance;
  readonly onProgress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly limits?: SortLimits;
}

export interface ImportedState {
  /** `uid.name`. */
  readonly name: string;
  readonly kind: TableShape['kind'];
  readonly rows: number;
  /** Of the rows, those that had expired by the barrier time, and are not in the archive. */
  readonly expired: number;
  readonly before: number;
  readonly after: number;
}

export interface Imported extends PreparedArchive {
  readonly provenance: Provenance;
  readonly states: readonly ImportedState[];
}

/** @throws USAGE with all rows that are no entries; what `writeArchive` and reading the base do. */
export async function importRows(options: ImportOptions): Promise<Imported> {
  const work = new Work(options);
  try {
    const {
      disk,
      spoolFolder,
      output,
      sign,
      base,
      operators,
      tables,
      provenance,
      onProgress,
      signal,
      limits,
    } = options;
    const prepared = await writeArchive({
      disk,
      spoolFolder,
      output,
      sign,
      operators,
      tables,
      provenance,
      kind: 'savepoint',
      drained: base?.manifest.drained ?? false,
      blocks: work.blocks(),
      onProgress,
      signal,
      ...(limits === undefined ? {} : { limits }),
    });
    return { ...prepared, provenance, states: work.states(prepared) };
  } finally {
    work.close();
  }
}

/** A row that is an entry, by its place among all. */
interface Numbered {
  readonly number: number;
  readonly place: Place;
}

interface Tally {
  readonly table: TableShape;
  rows: number;
  expired: number;
}

class Work {
  readonly #options: ImportOptions;
  readonly #tallies = new Map<number, Tally>();
  /** What is wrong, by the row; the first so many. */
  readonly #problems: { readonly row: number; readonly text: string }[] = [];
  #problemCount = 0;
  readonly #seen = new Identities();
  readonly #scan = new EntryScan();
  readonly #expiredAt: bigint;

  constructor(options: ImportOptions) {
    this.#options = options;
    this.#expiredAt = BigInt(options.provenance.barrierTime);
    for (const { table } of options.replaced) this.#tally(table);
  }

  close(): void {
    this.#seen.close();
  }

  async *blocks(): AsyncGenerator<Payload, void> {
    yield* this.#imported();
    if (this.#tallies.size === 0 && this.#problemCount === 0)
      this.#refuse(0, 'there are no rows, and no state is named');
    this.#throwProblems();
    yield* this.#kept();
  }

  #refuse(row: number, text: string): void {
    this.#problemCount++;
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push({ row, text: text.slice(0, MAX_PROBLEM) });
  }

  /** In the order of the rows: that two are one is found later than the rest. */
  #throwProblems(): void {
    const findings = new Findings();
    for (const { text } of this.#problems.sort((a, b) => a.row - b.row)) findings.add('USAGE', text);
    findings.addMore(this.#problemCount - this.#problems.length);
    findings.throwIfAny('the data has rows that are no entries', 'mend them; nothing was written');
  }

  states({ manifest }: PreparedArchive): readonly ImportedState[] {
    const { base } = this.#options;
    return [...this.#tallies.values()].map(({ table, rows, expired }) => {
      const same = (other: TableShape) =>
        other.operator === table.operator && other.name === table.name && other.kind === table.kind;
      const before = base?.manifest.tables.find(same)?.entries ?? 0;
      const after = manifest.tables.find(same)?.entries ?? 0;
      return { name: tableLabel(table), kind: table.kind, rows, expired, before, after };
    });
  }

  #tally(table: TableShape): Tally {
    let tally = this.#tallies.get(table.id);
    if (tally === undefined) {
      tally = { table, rows: 0, expired: 0 };
      this.#tallies.set(table.id, tally);
    }
    return tally;
  }

  async *#imported(): AsyncGenerator<Payload, void> {
    const full: Payload[] = [];
    const rows: Numbered[] = [];
    const out = new EntryWriter(
      {
        take: (bytes) => Buffer.allocUnsafeSlow(bytes),
        full: (chunk, used, entries) => full.push({ payload: chunk.subarray(0, used), entries }),
      },
      CHUNK_BYTES,
    );
    let count = 0;
    for await (const row of this.#options.rows) {
      if (++count % STRIDE === 0) await setImmediate();
      this.#options.signal?.throwIfAborted();
      if (this.#write(row, count, out)) rows.push({ number: count, place: row.place });
      if (full.length > 0) yield* this.#checked(full.splice(0), rows);
    }
    out.flush();
    yield* this.#checked(full, rows);
  }

  /** False for what is no entry. */
  #write(row: DataRow, number: number, out: EntryWriter): boolean {
    try {
      if ('problem' in row) throw new Error(row.problem);
      const { state, given } = row;
      const tally = this.#tally(state.table);
      const entry = state.maker.make(given);
      writeEntry(entry, out, state.table.id);
      tally.rows++;
      if (this.#isExpired(entry)) tally.expired++;
      return true;
    } catch (error) {
      const refused = 'problem' in row || error instanceof EntryRefused;
      if (!refused) throw error;
      this.#refuse(number, `${placeText(row.place)}: ${(error as Error).message}`);
      return false;
    }
  }

  #isExpired({ stamp }: Entry): boolean {
    return stamp !== undefined && stamp <= this.#expiredAt;
  }

  /** Gives chunks on while all is well. `rows` are those of the entries, from the first on. */
  *#checked(chunks: readonly Payload[], rows: Numbered[]): Generator<Payload, void> {
    for (const chunk of chunks) {
      this.#refuseTwice(chunk, rows.splice(0, chunk.entries));
      if (this.#problemCount === 0) yield chunk;
    }
  }

  #refuseTwice({ payload }: Payload, rows: readonly Numbered[]): void {
    const scan = this.#scan;
    let at = 0;
    for (const { number, place } of rows) {
      scan.scan(payload, at, payload.length);
      at = scan.end;
      const identity = payload.subarray(scan.identityAt, scan.identityEnd);
      const first = this.#seen.add(scan.table, identity, place.number);
      if (first !== undefined)
        this.#refuse(number, `${placeText(place)}: its entry is in ${place.unit} ${first}, too`);
    }
    assert(at === payload.length, 'a row for each entry');
  }

  async *#kept(): AsyncGenerator<Payload, void> {
    const { base, merge, tables } = this.#options;
    if (base === undefined) return;
    const whole = tables.filter(({ id }) => merge || !this.#tallies.has(id)).map(({ id }) => id);
    for await (const block of base.blocks({ tables: whole })) {
      const kept = this.#without(block, merge);
      if (kept.entries > 0) yield kept;
    }
  }

  /** What of a block of the base stays. */
  #without(block: Payload, merge: boolean): Payload {
    const { payload } = block;
    const scan = this.#scan;
    const parts: Buffer[] = [];
    let entries = 0;
    for (let at = 0; at < payload.length; at = scan.end) {
      scan.scan(payload, at, payload.length);
      const replaced =
        this.#tallies.has(scan.table) &&
        (!merge || this.#seen.has(scan.table, payload.subarray(scan.identityAt, scan.identityEnd)));
      if (replaced) continue;
      entries++;
      parts.push(payload.subarray(at, scan.end));
    }
    return entries === block.entries ? block : { payload: Buffer.concat(parts), entries };
  }
}
