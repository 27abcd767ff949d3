/** Archives in memory, exported and imported in one process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Archive, openArchive } from '../../src/archive/read.js';
import { type TableShape, tableLabel } from '../../src/archive/table-list.js';
import { writeArchive } from '../../src/archive/write.js';
import { realDisk } from '../../src/base/real-disk.js';
import { ByteReader } from '../../src/codec/reader.js';
import { csvFields } from '../../src/connectors/files/csv.js';
import { EntryWriter, readEntry } from '../../src/format/entry.js';
import type { ManifestOperator, ManifestTable } from '../../src/format/manifest.js';
import { EntryMaker, type GivenEntry, writeEntry } from '../../src/rewrite/entry-from-view.js';
import type { ExportSource } from '../../src/rewrite/export-source.js';
import { exportCsv, exportLines } from '../../src/rewrite/export-text.js';
import { type Imported, type ImportOptions, importRows } from '../../src/rewrite/import.js';
import { ImportTarget } from '../../src/rewrite/import-target.js';
import { csvRows, lineRows } from '../../src/rewrite/import-text.js';
import { type ColumnFlags, isFlagged, NO_FLAGS } from '../../src/rewrite/row-mapping.js';
import { exportSqlite } from '../../src/rewrite/sqlite-export.js';
import { sqliteData } from '../../src/rewrite/sqlite-rows.js';
import type { Payload } from '../../src/store/sort-buffer.js';
import { PROVENANCE } from '../archive/blocks.js';

export type Format = 'jsonl' | 'csv' | 'sqlite';

export interface State {
  readonly operators: readonly ManifestOperator[];
  readonly tables: readonly TableShape[];
}

/** A folder with archives and data in it; everything it gives is open until it is removed. */
export class Port {
  readonly #open: Archive[] = [];
  #files = 0;
  #folder = '';

  static async make(): Promise<Port> {
    const port = new Port();
    port.#folder = await mkdtemp(join(tmpdir(), 'tidemark-port-'));
    return port;
  }

  /** Closes what it has given so far. */
  async close(): Promise<void> {
    for (const archive of this.#open.splice(0)) await archive.close();
  }

  async remove(): Promise<void> {
    await this.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  get folder(): string {
    return this.#folder;
  }

  path(ending: string): string {
    return join(this.#folder, `${this.#files++}.${ending}`);
  }

  async open(path: string): Promise<Archive> {
    const archive = await openArchive(realDisk, path);
    this.#open.push(archive);
    return archive;
  }

  /** An archive of these entries. */
  async archive({ operators, tables }: State, blocks: AsyncIterable<Payload>): Promise<Archive> {
    const path = this.path('tar');
    const written = await writeArchive({
      disk: realDisk,
      spoolFolder: this.#folder,
      operators,
      tables,
      blocks,
      kind: 'savepoint',
      drained: false,
      provenance: PROVENANCE,
      output: { path },
    });
    await written.commit();
    return await this.open(path);
  }

  empty(state: State): Promise<Archive> {
    return this.archive(state, (async function* () {})());
  }

  /** Lines as `inspect` prints them, without `operator` and `state`: one table's. */
  given(state: State, entries: readonly (readonly [table: number, given: GivenEntry])[]): Promise<Archive> {
    const blocks: Payload[] = [];
    const out = new EntryWriter(
      {
        take: (bytes) => Buffer.alloc(bytes),
        full: (chunk, used, count) => blocks.push({ payload: chunk.subarray(0, used), entries: count }),
      },
      1024,
    );
    for (const [id, given] of entries) writeEntry(makerOf(state, id).make(given), out);
    out.flush();
    return this.archive(
      state,
      (async function* () {
        yield* blocks;
      })(),
    );
  }

  /** The paths of what was written: of CSV one a table, else one for all. */
  async export(
    archive: Archive,
    format: Format,
  ): Promise<readonly (readonly [label: string, path: string])[]> {
    const source = sourceOf(archive);
    const { tables } = source;
    if (format === 'csv') {
      const files: (readonly [string, string])[] = [];
      for (const table of tables) {
        const path = this.path('csv');
        await exportCsv(realDisk, { path }, table, { source, tables: [table] });
        files.push([tableLabel(table), path]);
      }
      return files;
    }
    const path = this.path(format);
    const write = format === 'sqlite' ? exportSqlite : exportLines;
    await write(realDisk, { path }, { source, tables });
    return [['', path]];
  }

  /** Imports a file, or text of that format, and opens the archive that comes of it. */
  async import(
    base: Archive,
    data: { readonly path: string } | { readonly text: string | Buffer },
    format: Format,
    options: {
      readonly only?: string;
      readonly merge?: boolean;
      readonly flags?: Partial<ColumnFlags>;
      readonly query?: string;
      readonly delimiter?: string;
      readonly more?: Partial<ImportOptions>;
      readonly most?: number;
    } = {},
  ): Promise<{ readonly archive: Archive; readonly imported: Imported }> {
    const { operators, tables } = base.manifest;
    const target = new ImportTarget(operators, tables, 'the archive', options.only);
    const flags: ColumnFlags = { ...NO_FLAGS, ...options.flags };
    const output = { path: this.path('tar') };
    const common = {
      disk: realDisk,
      spoolFolder: this.#folder,
      output,
      base,
      operators,
      tables,
      merge: options.merge ?? false,
      provenance: { ...base.provenance, parentDigest: base.manifest.digest },
      ...options.more,
    };
    const { rows, replaced, close } = await this.#rows(target, data, format, flags, options);
    try {
      const imported = await importRows({ ...common, rows, replaced });
      await imported.commit();
      return { archive: await this.open(output.path), imported };
    } finally {
      close();
    }
  }

  async #rows(
    target: ImportTarget,
    data: { readonly path: string } | { readonly text: string | Buffer },
    format: Format,
    flags: ColumnFlags,
    options: { readonly query?: string; readonly delimiter?: string; readonly most?: number },
  ) {
    if (format === 'sqlite') {
      const { rows, states, close } = sqliteData(
        'path' in data ? data.path : '',
        target,
        flags,
        options.query,
      );
      return { rows, replaced: states, close };
    }
    const input = 'path' in data ? chunksOf(data.path) : piecesOf(Buffer.from(data.text));
    const single = format === 'csv' || isFlagged(flags);
    const replaced = target.only ?? (single ? [target.single] : []);
    const rows =
      format === 'csv'
        ? csvRows(
            input,
            target,
            flags,
            { parse: csvFields, delimiter: options.delimiter ?? ',' },
            options.most,
          )
        : lineRows(input, target, flags, options.most);
    return { rows, replaced, close: () => {} };
  }
}

function makerOf({ operators, tables }: State, id: number): EntryMaker {
  const shape = tables.find((table) => table.id === id);
  const operator = operators.find(({ uid }) => uid === shape?.operator);
  if (shape === undefined || operator === undefined) throw new Error(`table ${id}`);
  return new EntryMaker(shape, operator);
}

export function sourceOf(archive: Archive): ExportSource {
  const { operators, tables } = archive.manifest;
  return {
    label: archive.path,
    operators,
    tables: tables.filter(({ kind }) => kind !== 'transactions'),
    entries: (table: ManifestTable) => entriesOf(archive, table),
  };
}

async function* entriesOf(archive: Archive, table: ManifestTable) {
  for await (const { payload } of archive.blocks({ tables: [table.id] })) {
    for (const from = new ByteReader(payload); from.remaining > 0; ) {
      const entry = readEntry(from);
      if (entry.table === table.id && !entry.tombstone) yield entry;
    }
  }
}

async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  const file = await realDisk.open(path);
  try {
    // The same buffer each time, and an odd size: what is cut is cut anywhere.
    const buffer = Buffer.alloc(997);
    for (let at = 0; ; ) {
      const read = await file.read(buffer, at);
      if (read === 0) return;
      at += read;
      yield buffer.subarray(0, read);
    }
  } finally {
    await file.close();
  }
}

async function* piecesOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
}
