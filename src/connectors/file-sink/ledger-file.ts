/**
 * The ledgers in a target, on disk: `<folder>/.tidemark/ledger-<uid>.ndjson`, one for each sink that writes
 * there. All are read, since a sink may have had another uid when it committed; only its own is written.
 *
 * Invariants: what `has` says is durable; a ledger is only ever appended to, or replaced whole by
 * temp, sync, rename, sync folder; after a failed append it is replaced before anything else is said.
 */
import { join } from 'node:path';
import { assert } from '../../base/assert.js';
import type { Disk, WriteFile } from '../../base/disk.js';
import { systemCode, TidemarkError } from '../../base/errors.js';
import type { TransactionId } from '../../graph/sink.js';
import {
  type Commit,
  commitLine,
  emptyLedger,
  foldedText,
  isCommitted,
  type Ledger,
  parseLedger,
  union,
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

/** What all sinks together have committed in a target; empty when it has no ledger. */
export async function readTarget(disk: Disk, folder: string): Promise<Ledger> {
  let ledger = emptyLedger;
  for (const name of await disk.list(join(folder, TARGET_FOLDER))) {
    if (!isLedgerName(name)) continue;
    const text = await readText(disk, join(folder, TARGET_FOLDER, name));
    if (text !== undefined) ledger = union(ledger, parsed(text, join(folder, TARGET_FOLDER, name)).ledger);
  }
  return ledger;
}

export class LedgerFile {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #path: string;
  /** What this file says, and what the others of the target said when it was opened. */
  #own: Ledger;
  readonly #others: Ledger;
  #file: WriteFile | undefined;
  #bytes = 0;
  #foldedBytes = 0;
  #broken = false;

  private constructor(disk: Disk, folder: string, path: string, own: Ledger, others: Ledger) {
    this.#disk = disk;
    this.#folder = folder;
    this.#path = path;
    this.#own = own;
    this.#others = others;
  }

  /**
   * Opens the ledger of a sink, making it when there is none: cuts off a torn last line, and makes durable what
   * it reads. `waiting` picks, of the commits not folded yet, those whose files have not got their names.
   */
  static async open(
    disk: Disk,
    target: string,
    sink: string,
    waiting: (commits: readonly Commit[]) => Promise<Commit[]>,
  ): Promise<{ readonly file: LedgerFile; readonly waiting: readonly Commit[] }> {
    const folder = join(target, TARGET_FOLDER);
    const path = join(folder, ledgerName(sink));
    const text = await readText(disk, path);
    const own = text === undefined ? { ledger: emptyLedger, commits: [] } : parsed(text, path);
    const file = new LedgerFile(disk, folder, path, own.ledger, await readTarget(disk, target));
    const still = await waiting(own.commits);
    await file.#replace(still);
    return { file, waiting: still };
  }

  get broken(): boolean {
    return this.#broken;
  }

  has(id: TransactionId): boolean {
    return isCommitted(this.#own, id) || isCommitted(this.#others, id);
  }

  /** Once this resolves they are committed, all of them. If it rejects, open the ledger anew to know. */
  async append(commits: readonly Commit[]): Promise<void> {
    assert(!this.#broken, 'a ledger is appended to after a failure');
    const line = Buffer.from(commitLine(commits), 'utf8');
    this.#broken = true;
    this.#file ??= await this.#disk.create(this.#path);
    await this.#file.append(line);
    await this.#file.sync();
    this.#broken = false;
    this.#bytes += line.length;
    this.#own = withCommitted(this.#own, commits);
  }

  /** Folds it when it has grown long. Every committed file must have its name, durably. */
  async foldIfLong(): Promise<void> {
    if (this.#bytes <= FOLD_BYTES || this.#bytes <= 2 * this.#foldedBytes) return;
    await this.#replace([]);
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #replace(waiting: readonly Commit[]): Promise<void> {
    await this.close();
    this.#broken = true;
    const bytes = Buffer.from(
      foldedText(this.#own) + (waiting.length > 0 ? commitLine(waiting) : ''),
      'utf8',
    );
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

function parsed(
  text: string,
  path: string,
): { readonly ledger: Ledger; readonly commits: readonly Commit[] } {
  const result = parseLedger(text);
  if (result.ok) return result;
  throw new TidemarkError('TARGET_CORRUPT', `${path} is damaged at line ${result.line}: ${result.why}`, {
    hint: 'restore the ledger from a copy, or give the job a new target folder',
  });
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
