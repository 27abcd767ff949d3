/**
 * Runs the user's map functions for `rewrite`: bundles their modules as definitions are, and runs them in a thread of
 * their own, so that what they do leaves the archive's writer alone, and one that does not return is noticed.
 *
 * Invariants: the thread and the bundles are gone when `close` resolves; nothing that is printed there reaches stdout; a
 * call that takes longer than the limit ends with STEP_TIMEOUT and the key.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { present } from '../base/assert.js';
import { type Clock, systemClock } from '../base/clock.js';
import { formatDuration } from '../base/duration.js';
import { TidemarkError, toTidemarkError } from '../base/errors.js';
import { ByteReader } from '../codec/reader.js';
import { type Entry, readEntry } from '../format/entry.js';
import type { TableBlock } from '../rewrite/table-blocks.js';
import { type EntryMapper, entryLabel, type MappedBlock, type MappedTable } from '../rewrite/table-map.js';
import { bundleDefinition } from './bundle.js';
import { DESCRIBE_TIMEOUT, MAX_OUTPUT } from './describe-definition.js';
import { installLibrary } from './library.js';
import {
  type FromMapThread,
  type MapThreadData,
  PROGRESS,
  PROGRESS_BYTES,
  type ToMapThread,
} from './map-protocol.js';
import { shownPath } from './user-frame.js';

/** How long one call of a map function may take, milliseconds. */
export const MAP_TIMEOUT = 30_000;

export interface MapOptions {
  /** What the modules' paths are relative to. */
  readonly folder: string;
  /** Where bundles lie meanwhile; the system's folder when absent. */
  readonly temporaryFolder?: string;
  /** Milliseconds for one call. */
  readonly timeoutMs?: number;
  /** Takes what the modules print, at most MAX_OUTPUT characters of it. */
  readonly output: (text: string) => void;
  readonly clock?: Clock;
  /** Aborted, a call that is under way is given up at once. */
  readonly signal?: AbortSignal;
}

/**
 * @throws FILE_NOT_FOUND, DEFINITION_INVALID (a module does not build, throws, exits, exports no function),
 * DEFINITION_TIMEOUT
 */
export async function startMaps(tables: readonly MappedTable[], options: MapOptions): Promise<EntryMapper> {
  const files = [...new Set(tables.map(({ file }) => file))];
  const folder = await mkdtemp(join(options.temporaryFolder ?? tmpdir(), 'tidemark-'));
  try {
    const bundles: string[] = [];
    for (const file of files) bundles.push(await bundleInto(folder, resolve(options.folder, file)));
    const mapper = new MapTask(folder, bundles, files, tables, options);
    await mapper.ready();
    return mapper;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function bundleInto(folder: string, file: string): Promise<string> {
  try {
    const { code, hash } = await bundleDefinition(file, { libraryNames: await installLibrary() });
    const path = join(folder, `${hash}.mjs`);
    await writeFile(path, code, { mode: 0o600 });
    return path;
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    const { code, message, details } = error;
    throw new TidemarkError(code, `--map: ${message}`, {
      ...details,
      ...(code === 'DEFINITION_INVALID' ? { hint: 'mend the module, then try again' } : {}),
      cause: error,
    });
  }
}

type Answer = Extract<FromMapThread, { readonly type: 'ready' | 'mapped' }>;

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

class MapTask implements EntryMapper {
  readonly #folder: string;
  readonly #tables: readonly MappedTable[];
  readonly #files: string;
  readonly #options: MapOptions;
  readonly #progress = new Int32Array(new SharedArrayBuffer(PROGRESS_BYTES));
  readonly #worker: Worker;
  #waiting: Waiting | undefined;
  /** Why no answer comes any more. */
  #dead: { readonly error: unknown } | undefined;
  #room = MAX_OUTPUT;

  constructor(
    folder: string,
    bundles: readonly string[],
    files: readonly string[],
    tables: readonly MappedTable[],
    options: MapOptions,
  ) {
    this.#folder = folder;
    this.#tables = tables;
    this.#files = files.map((file) => shownPath(file)).join(', ');
    this.#options = options;
    const data: MapThreadData = {
      bundles,
      tables: tables.map(({ table, operator, file }) => ({
        table,
        operator,
        bundle: files.indexOf(file),
        file: shownPath(file),
      })),
      progress: this.#progress.buffer as SharedArrayBuffer,
    };
    this.#worker = new Worker(new URL('./map-worker.js', import.meta.url), {
      workerData: data,
      stdout: true,
      stderr: true,
      name: 'tidemark map',
    });
    this.#worker.on('message', (message: FromMapThread) => this.#hear(message));
    this.#worker.on('error', (error) => this.#die(this.#threadError(error)));
    options.signal?.addEventListener('abort', () => this.#die(options.signal?.reason), { once: true });
    this.#worker.on('exit', () => this.#die(this.#ended()));
    for (const stream of [this.#worker.stdout, this.#worker.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => this.#print(text));
  }

  /** Resolves when the modules are loaded. */
  async ready(): Promise<void> {
    try {
      await this.#within(DESCRIBE_TIMEOUT, () => this.#tooSlow(), undefined);
    } catch (error) {
      await this.#worker.terminate();
      throw error;
    }
  }

  async map({ table, payload, entries }: TableBlock): Promise<MappedBlock> {
    const sent = Uint8Array.from(payload);
    const message: ToMapThread = { table, payload: sent, entries };
    const answer = this.#within(
      this.#options.timeoutMs ?? MAP_TIMEOUT,
      () => this.#hangs(table, payload),
      () => this.#worker.postMessage(message, [sent.buffer]),
    );
    const mapped = await answer;
    if (mapped.type !== 'mapped') throw new TidemarkError('INTERNAL', 'the map thread gave no entries');
    const { payload: left, changed } = mapped;
    if (left === undefined) return { block: undefined, changed };
    const bytes = Buffer.from(left.buffer, left.byteOffset, left.byteLength);
    return { block: { table, payload: bytes, entries: mapped.entries }, changed };
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Waits for one answer; what is asked may take any time, but each of its calls no longer than `limit`. */
  async #within(limit: number, late: () => TidemarkError, ask: (() => void) | undefined): Promise<Answer> {
    if (this.#dead !== undefined) throw this.#dead.error;
    const settled = new AbortController();
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    ask?.();
    const watch = async (): Promise<void> => {
      const clock = this.#options.clock ?? systemClock;
      while (!settled.signal.aborted) {
        const calls = Atomics.load(this.#progress, PROGRESS.calls);
        await clock.sleep(limit, settled.signal);
        if (!settled.signal.aborted && Atomics.load(this.#progress, PROGRESS.calls) === calls) {
          this.#die(late());
          break;
        }
      }
    };
    void watch();
    try {
      return await answer;
    } finally {
      this.#waiting = undefined;
      settled.abort();
    }
  }

  #hear(message: FromMapThread): void {
    if (message.type === 'output') this.#print(message.text);
    else if (message.type === 'failed') this.#die(TidemarkError.fromRecord(message.error));
    else if (message.type === 'exit') this.#die(this.#exited(message));
    else this.#waiting?.resolve(message);
  }

  /** The first reason counts. */
  #die(error: unknown): void {
    this.#dead ??= { error };
    this.#waiting?.reject(this.#dead.error);
  }

  #print(text: string): void {
    if (this.#room <= 0) return;
    this.#options.output(text.length <= this.#room ? text : `${text.slice(0, this.#room)}\n… dropped\n`);
    this.#room -= text.length;
  }

  #hangs(table: number, payload: Buffer): TidemarkError {
    const entry = entryAt(payload, Atomics.load(this.#progress, PROGRESS.place));
    const { table: its, operator } = present(
      this.#tables.find((one) => one.table.id === table),
      'a mapped table',
    );
    const limit = formatDuration(this.#options.timeoutMs ?? MAP_TIMEOUT);
    return new TidemarkError(
      'STEP_TIMEOUT',
      `--map ${entryLabel(entry, its, operator)}: no answer within ${limit}`,
      {
        hint: 'look for a loop that does not end; nothing was written',
      },
    );
  }

  #tooSlow(): TidemarkError {
    const limit = formatDuration(DESCRIBE_TIMEOUT);
    return new TidemarkError('DEFINITION_TIMEOUT', `${this.#files} was not loaded within ${limit}`, {
      hint: 'look for a loop or a slow call at its top level',
    });
  }

  #exited({ code, at }: { readonly code: string; readonly at: string | undefined }): TidemarkError {
    const where = at === undefined ? '' : ` at ${at}`;
    return new TidemarkError('USER_EXIT', `${this.#files} called process.exit(${code})${where}`, {
      hint: 'remove the call; a map returns the new value of an entry',
    });
  }

  #threadError(error: unknown): TidemarkError {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY')
      return new TidemarkError('HEAP_FULL', `${this.#files} filled the heap`, {
        hint: 'a map sees one entry at a time; keep nothing of the others',
        cause: error,
      });
    return toTidemarkError(error, this.#files);
  }

  #ended(): TidemarkError {
    return new TidemarkError(
      'DEFINITION_INVALID',
      `${this.#files} awaits something at its top level that can never happen`,
      {
        hint: 'look for an await without a timer, a file or a connection behind it',
      },
    );
  }
}

function entryAt(payload: Buffer, place: number): Entry {
  const from = new ByteReader(payload);
  for (let i = 0; i < place; i++) readEntry(from);
  return readEntry(from);
}
