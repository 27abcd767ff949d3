/**
 * The ledgers in a target, on disk: `<folder>/.tidemark/ledger-<uid>.ndjson`, one for each sink that writes
 * there over time. All are read, since a sink may have had another uid when it committed; only its own is written.
 *
 * Invariants: what `has` says is durable; a ledger is only ever appended to, or replaced whole by
 * temp, sync, rename, sync folder; after a failed append it is replaced before anything else is said.
 */
import { join } from 'node:path';
import { assert } from '../../base/assert.js';
import type { Disk, WriteFile } from '../../base/disk.js';
import { systemCode, TidemarkError } from '../../base/errors.js';
import type { LineageEntry, TransactionId } from '../../graph/sink.js';
import {
  asideLine,
  begunLine,
  type Commit,
  commitLine,
  emptyLedger,
  foldedText,
  isCommitted,
  type Ledger,
  type LedgerText,
  parseLedger,
  union,
  type WriterRuns,
  withAside,
  withBegun,
  withCommitted,
} from './ledger.js';
import { isLedgerName, ledgerName } from './names.js';

/** Where tidemark keeps what is its own in a target. */
export const TARGET_FOLDER = '.tidemark';
/** A ledger longer than this, and twice as long as when it was last folded, is folded. */
export const FOLD_BYTES = 256 * 1024;
/** The longest ledger that is read. */
export const MAX_LEDGER_BYTES = 1024 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;

/** What all sinks together say of a target, and their ledgers; empty when it has none. Changes nothing. */
export async function readTarget(
  disk: Disk,
  target: string,
): Promise<LedgerText & { readonly paths: readonly string[] }> {
  let ledger = emptyLedger;
  const commits: Commit[] = [];
  const parts: string[] = [];
  const paths: string[] = [];
  for (const name of await disk.list(join(target, TARGET_FOLDER))) {
    const path = join(target, TARGET_FOLDER, name);
    const text = isLedgerName(name) ? await readText(disk, path) : undefined;
    if (text === undefined) continue;
    const said = parsed(text, path);
    ledger = union(ledger, said.ledger);
    for (const commit of said.commits) commits.push(commit);
    for (const part of said.parts) parts.push(part);
    paths.push(path);
  }
  return { ledger, commits, parts, paths };
}

/** Of what a ledger names, the files that have not got their last names yet. */
export interface Unfinished {
  readonly commits: readonly Commit[];
  readonly parts: readonly string[];
}

export class LedgerFile {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #path: string;
  /** What this file says, and what all of the target said when it was opened. */
  #own: Ledger;
  readonly #all: Ledger;
  #file: WriteFile | undefined;
  #bytes = 0;
  #foldedBytes = 0;
  #broken = false;

  private constructor(disk: Disk, folder: string, path: string, own: Ledger, all: Ledger) {
    this.#disk = disk;
    this.#folder = folder;
    this.#path = path;
    this.#own = own;
    this.#all = all;
  }

  /**
   * Opens the ledger of a sink, making it when there is none: cuts off a torn last line, and makes durable what
   * it and the others say. `pick` chooses, of all that is not folded yet, those whose files wait for their last
   * names; the caller renames them next.
   */
  static async open(
    disk: Disk,
    target: string,
    sink: string,
    pick: (named: Unfinished) => Promise<Unfinished>,
  ): Promise<{ readonly file: LedgerFile; readonly unfinished: Unfinished }> {
    const folder = join(target, TARGET_FOLDER);
    const path = join(folder, ledgerName(sink));
    const text = await readText(disk, path);
    const own = text === undefined ? { ledger: emptyLedger, commits: [], parts: [] } : parsed(text, path);
    const all = await readTarget(disk, target);
    const file = new LedgerFile(disk, folder, path, own.ledger, all.ledger);
    const unfinished = await pick(all);
    for (const other of all.paths) if (other !== path) await syncFile(disk, other);
    const mine = new Set([...own.commits.map(({ part }) => part), ...own.parts]);
    await file.#replace({
      commits: unfinished.commits.filter(({ part }) => mine.has(part)),
      parts: unfinished.parts.filter((part) => mine.has(part)),
    });
    return { file, unfinished };
  }

  get broken(): boolean {
    return this.#broken;
  }

  /** What this file and the others of the target say. */
  get said(): Ledger {
    return union(this.#all, this.#own);
  }

  has(id: TransactionId): boolean {
    return isCommitted(this.#own, id) || isCommitted(this.#all, id);
  }

  knows(job: string): boolean {
    return this.#own.begun.has(job) || this.#all.begun.has(job);
  }

  /** Once this resolves they are committed, all of them. If it rejects, open the ledger anew to know. */
  async append(commits: readonly Commit[]): Promise<void> {
    await this.#append(commitLine(commits), (own) => withCommitted(own, commits));
  }

  /** Says where a job began. The same promise as `append`. */
  async begin(job: string, lineage: readonly LineageEntry[]): Promise<void> {
    await this.#append(begunLine(job, lineage), (own) => withBegun(own, job, lineage));
  }

  /** Says that these are set aside, and which files are now to be hidden. The same promise as `append`. */
  async setAside(writers: readonly WriterRuns[], parts: readonly string[]): Promise<void> {
    await this.#append(asideLine(writers, parts), (own) => withAside(own, writers));
  }

  /** Folds it when it has grown long. Every file it names must have its last name, durably. */
  async foldIfLong(): Promise<void> {
    if (this.#bytes > FOLD_BYTES && this.#bytes > 2 * this.#foldedBytes) await this.fold();
  }

  /** Every file it names must have its last name, durably. */
  async fold(): Promise<void> {
    await this.#replace({ commits: [], parts: [] });
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #append(text: string, then: (own: Ledger) => Ledger): Promise<void> {
    assert(!this.#broken, 'a ledger is appended to after a failure');
    const line = Buffer.from(text, 'utf8');
    this.#broken = true;
    this.#file ??= await this.#disk.create(this.#path);
    await this.#file.append(line);
    await this.#file.sync();
    this.#broken = false;
    this.#bytes += line.length;
    this.#own = then(this.#own);
  }

  async #replace({ commits, parts }: Unfinished): Promise<void> {
    await this.close();
    this.#broken = true;
    const text =
      foldedText(this.#own) +
      (commits.length > 0 ? commitLine(commits) : '') +
      (parts.length > 0 ? asideLine([], parts) : '');
    const bytes = Buffer.from(text, 'utf8');
    const temporary = `${this.#path}.tmp`;
    await this.#disk.remove(temporary);
    const file = await this.#disk.create(temporary, { exclusive: true });
    try {
      await file.append(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await this.#disk.rename(temporary, this.#path);
    await this.#disk.syncFolder(this.#folder);
    this.#broken = false;
    this.#bytes = bytes.length;
    this.#foldedBytes = bytes.length;
  }
}

function parsed(text: string, path: string): LedgerText {
  const result = parseLedger(text);
  if (result.ok) return result;
  throw new TidemarkError('TARGET_CORRUPT', `${path} is damaged at line ${result.line}: ${result.why}`, {
    hint: 'restore the ledger from a copy, or give the job a new target folder',
  });
}

async function syncFile(disk: Disk, path: string): Promise<void> {
  const file = await disk.create(path);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readText(disk: Disk, path: string): Promise<string | undefined> {
  const file = await disk.open(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    if (size > MAX_LEDGER_BYTES) {
      throw new TidemarkError('TARGET_CORRUPT', `${path} has ${size} bytes, more than ${MAX_LEDGER_BYTES}`);
    }
    const chunks: Buffer[] = [];
    for (let at = 0; ; ) {
      const chunk = Buffer.alloc(READ_BYTES);
      const read = await file.read(chunk, at);
      if (read === 0) break;
      chunks.push(chunk.subarray(0, read));
      at += read;
    }
    return Buffer.concat(chunks).toString('utf8');
  } finally {
    await file.close();
  }
}
