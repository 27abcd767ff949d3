/**
 * Verifies the segments of a native archive: every entry of each, then what they are together.
 *
 * An incremental archive is a chain of sorted runs; its tables' counts are those of the entries that are live once
 * the runs are merged; where some expire, the tables may count a few that have done so. Their bytes are those of all the runs; of tables that are not keyed, those of the last.
 */
import { TidemarkError } from '../base/errors.js';
import type { ArchiveManifest, ArchiveMember } from '../format/archive-manifest.js';
import type { Entry } from '../format/entry.js';
import { varintBytes } from '../format/entry-scan.js';
import { isKeyed, type ManifestTable } from '../format/manifest.js';
import type { Provenance } from '../format/provenance.js';
import { entriesOf, readSegment } from '../format/segment-read.js';
import { RunReader } from '../store/run-reader.js';
import type { RunSource } from '../store/run-source.js';
import { EntryCheck } from './check-entry.js';
import type { FindingCode } from './finding.js';
import { isUnsorted, RunChain } from './run-chain.js';
import { slotsOf } from './table-list.js';

type Find = (code: FindingCode, member: string, offset: number, message: string) => void;

interface Problem {
  readonly code: FindingCode;
  readonly message: string;
}

export class NativeVerifier {
  readonly #manifest: ArchiveManifest;
  readonly #tables: NativeTables;
  readonly #find: Find;
  readonly #onEntries: (entries: number) => void;
  /** Segments that were read to their end without a finding of their structure. */
  #sound = 0;

  constructor(manifest: ArchiveManifest, find: Find, onEntries: (entries: number) => void) {
    this.#manifest = manifest;
    this.#find = find;
    this.#onEntries = onEntries;
    this.#tables = new NativeTables(manifest);
    for (const [table, message] of this.#tables.unknown)
      find('KEY', 'manifest.json', 0, `table ${table}: ${message}`);
  }

  /** Everything in one segment. @throws TidemarkError SEGMENT_CORRUPT where it cannot be read on */
  async segment({ name, offset, length }: ArchiveMember, source: RunSource): Promise<void> {
    const chained = this.#manifest.mode === 'incremental';
    if (chained && (await isUnsorted(source)))
      return this.#find('SEGMENT', name, offset, 'a segment of an incremental checkpoint that is not sorted');
    const read = (into: Uint8Array, at: number) => source.read(into, at);
    this.#tables.begin();
    for await (const block of readSegment(read, length, name)) {
      this.#onEntries(block.entries);
      for (const entry of entriesOf(block, name)) {
        const problem = this.#tables.problem(entry);
        if (problem !== undefined) this.#find(problem.code, name, offset + block.offset, problem.message);
      }
    }
    this.#sound++;
  }

  /** What all segments are together; those that are damaged say nothing of the whole. */
  async whole(sources: readonly RunSource[], provenance: Provenance): Promise<void> {
    const { mode, tables, members } = this.#manifest;
    for (const { id, subtasks } of tables) {
      if (subtasks !== undefined && subtasks.length !== provenance.parallelism)
        this.#wrong(
          'MANIFEST',
          `table ${id} has entries of ${subtasks.length} subtasks, the job had ${provenance.parallelism}`,
        );
    }
    if (this.#sound < members.length) return;
    const live = mode === 'incremental' ? await this.#live(sources, provenance) : undefined;
    for (const table of tables) {
      const { id, entries, bytes } = table;
      const found = this.#tables.counted(id);
      const count = live === undefined ? found.entries : (live[id] ?? 0);
      const least = entries - maybeExpired(table, provenance.barrierTime);
      if (count > entries || count < least || found.bytes !== bytes)
        this.#wrong(
          'COUNT',
          `table ${id} has ${count} entries and ${found.bytes} bytes, it says ${entries} and ${bytes}`,
        );
    }
  }

  /** Entries of each table once the runs are merged. */
  async #live(sources: readonly RunSource[], { barrierTime }: Provenance): Promise<number[]> {
    const { tables } = this.#manifest;
    const live: number[] = [];
    const open = sources.map((source) => () => RunReader.open(source));
    const chain = new RunChain(open, barrierTime);
    for (const table of tables) {
      for await (const { entries } of chain.blocks(table)) {
        live[table.id] = (live[table.id] ?? 0) + entries;
        this.#onEntries(entries);
      }
    }
    return live;
  }

  #wrong(code: FindingCode, message: string): void {
    this.#find(code, 'manifest.json', 0, message);
  }
}

/** How many of the entries that a table counts may have expired by then. */
function maybeExpired({ expiries = [] }: ManifestTable, barrierTime: number): number {
  const spans = expiries.flat().filter(([after]) => after < barrierTime);
  return spans.reduce((sum, [, , entries]) => sum + entries, 0);
}

/** The tables of a native archive, whose entries may come in any order. */
class NativeTables {
  /** Tables whose keys cannot be read, and why. */
  readonly unknown: [table: number, message: string][] = [];
  readonly #incremental: boolean;
  readonly #checks: (EntryCheck | undefined)[] = [];
  readonly #slots: number[] = [];
  readonly #keyed: boolean[] = [];
  readonly #entries: number[] = [];
  readonly #bytes: number[] = [];

  constructor(manifest: ArchiveManifest) {
    this.#incremental = manifest.mode === 'incremental';
    const slots = new Map(manifest.operators.map(({ uid, maxParallelism }) => [uid, maxParallelism]));
    const operators = new Map(manifest.operators.map((operator) => [operator.uid, operator]));
    for (const table of manifest.tables) {
      const operator = operators.get(table.operator);
      this.#slots.push(slotsOf(table, slots));
      this.#keyed.push(isKeyed(table.kind));
      try {
        this.#checks.push(operator === undefined ? undefined : new EntryCheck(table, operator));
      } catch (error) {
        if (!(error instanceof TidemarkError)) throw error;
        this.unknown.push([table.id, error.message]);
        this.#checks.push(undefined);
      }
    }
  }

  /** To be called before the entries of each segment, in their order. */
  begin(): void {
    if (!this.#incremental) return;
    for (const [table, keyed] of this.#keyed.entries()) {
      if (keyed) continue;
      this.#entries[table] = 0;
      this.#bytes[table] = 0;
    }
  }

  /** Entries and bytes of all segments, or of the last where no other counts. */
  counted(table: number): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#entries[table] ?? 0, bytes: this.#bytes[table] ?? 0 };
  }

  problem(entry: Entry): Problem | undefined {
    const { table, group, tombstone } = entry;
    const slots = this.#slots[table];
    if (slots === undefined)
      return { code: 'ENTRY', message: `an entry of table ${table}, which is not listed` };
    this.#entries[table] = (this.#entries[table] ?? 0) + 1;
    this.#bytes[table] = (this.#bytes[table] ?? 0) + entryBytes(entry);
    if (group >= slots) return { code: 'ENTRY', message: `an entry of key group ${group} of ${slots}` };
    if (tombstone && !this.#incremental)
      return { code: 'ENTRY', message: 'a tombstone in a full checkpoint' };
    return this.#checks[table]?.problem(entry);
  }
}

/** An entry's length as written: its last field ends it, its first begins before its key by two varints. */
function entryBytes({ table, group, key, value }: Entry): number {
  const start = key.byteOffset - varintBytes(key.length) - varintBytes(group) - varintBytes(table);
  return value.byteOffset + value.length - start;
}
