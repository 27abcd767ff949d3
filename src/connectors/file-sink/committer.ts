/**
 * Commits the transactions of a file sink: first the ledger, then the names.
 *
 *     pending file, fsynced ──▶ a line in the ledger, fsynced ──▶ renamed, folder fsynced
 *                              └ from here on it is committed
 *
 * Invariants: being in the ledger is being committed, whatever has become of the file since; a committed file
 * whose pending name still stands is renamed at the next chance; only this job's own pending files are removed,
 * and only after every committed one has its name.
 */
import { join } from 'node:path';
import { present } from '../../base/assert.js';
import type { Disk } from '../../base/disk.js';
import { TidemarkError, toTidemarkError } from '../../base/errors.js';
import type { SinkCommitter, SinkContext, Transaction } from '../../graph/sink.js';
import type { Commit } from './ledger.js';
import { LedgerFile, TARGET_FOLDER } from './ledger-file.js';
import { isPendingOf } from './names.js';
import type { FileTransaction } from './transaction.js';

export class FileCommitter implements SinkCommitter<FileTransaction> {
  readonly #context: SinkContext;
  readonly #disk: Disk;
  readonly #folder: string;
  #ledger: LedgerFile | undefined;

  /** `folder` is absolute. */
  constructor(context: SinkContext, folder: string) {
    this.#context = context;
    this.#disk = context.disk;
    this.#folder = folder;
  }

  recover(restored: readonly Transaction<FileTransaction>[]): Promise<void> {
    return this.#saying('recovering', async () => {
      await this.#open();
      await this.#commit(restored);
      await this.#removeLeftovers();
    });
  }

  commit(transactions: readonly Transaction<FileTransaction>[]): Promise<void> {
    return this.#saying('committing', async () => {
      if (this.#ledger === undefined || this.#ledger.broken) await this.#open();
      await this.#commit(transactions);
    });
  }

  async close(): Promise<void> {
    const ledger = this.#ledger;
    this.#ledger = undefined;
    await ledger?.close();
  }

  /** Reads the ledger and gives the files it names as committed their names. */
  async #open(): Promise<void> {
    await this.close();
    await this.#disk.mkdir(join(this.#folder, TARGET_FOLDER));
    // What is seen renamed from here on is durably so, and may be folded.
    await this.#disk.syncFolder(this.#folder);
    const opened = await LedgerFile.open(this.#disk, this.#folder, this.#context.sink, (commits) =>
      this.#stillPending(commits),
    );
    this.#ledger = opened.file;
    await this.#giveNames(opened.waiting);
  }

  async #commit(transactions: readonly Transaction<FileTransaction>[]): Promise<void> {
    const ledger = present(this.#ledger, 'the ledger');
    const commits = unique(transactions);
    const fresh = commits.filter((commit) => !ledger.has(commit));
    const lengths = new Map(transactions.map(({ value }) => [value.pending, value.bytes]));
    for (const commit of fresh) await this.#check(commit, lengths.get(commit.pending));
    if (fresh.length > 0) await ledger.append(fresh);
    const known = commits.filter((commit) => !fresh.includes(commit));
    await this.#giveNames([...fresh, ...(await this.#stillPending(known))]);
    await ledger.foldIfLong();
  }

  /** Refuses a transaction whose file is not what was prepared. */
  async #check({ pending, part }: Commit, bytes: number | undefined): Promise<void> {
    const stat = await this.#disk.stat(join(this.#folder, pending));
    const path = join(this.#folder, pending);
    if (stat === undefined) throw corrupt(`${path} is gone, and no ledger says that it was committed`);
    if (stat.size !== bytes) throw corrupt(`${path} has ${stat.size} bytes where ${bytes} were prepared`);
    if ((await this.#disk.stat(join(this.#folder, part))) === undefined) return;
    throw corrupt(`${join(this.#folder, part)} is there already, and no ledger says that it was committed`);
  }

  /** Those whose files have no final name yet. One that is gone was renamed, and maybe moved away since. */
  async #stillPending(commits: readonly Commit[]): Promise<Commit[]> {
    const pending: Commit[] = [];
    for (const commit of commits) {
      if ((await this.#disk.stat(join(this.#folder, commit.pending))) !== undefined) pending.push(commit);
    }
    return pending;
  }

  async #giveNames(commits: readonly Commit[]): Promise<void> {
    if (commits.length === 0) return;
    for (const { pending, part } of commits) {
      await this.#disk.rename(join(this.#folder, pending), join(this.#folder, part));
    }
    await this.#disk.syncFolder(this.#folder);
  }

  /** Own files that no snapshot and no ledger knows: written after the snapshot that was recovered from. */
  async #removeLeftovers(): Promise<void> {
    const { job, sink } = this.#context;
    const leftovers = (await this.#disk.list(this.#folder)).filter(isPendingOf({ job: job.id, sink }));
    for (const name of leftovers) await this.#disk.remove(join(this.#folder, name));
    if (leftovers.length > 0) await this.#disk.syncFolder(this.#folder);
  }

  async #saying<R>(doing: string, action: () => Promise<R>): Promise<R> {
    try {
      return await action();
    } catch (error) {
      throw toTidemarkError(error, `sink ${this.#context.sink}, ${doing} in ${this.#folder}`);
    }
  }
}

/** Each transaction once. */
function unique(transactions: readonly Transaction<FileTransaction>[]): Commit[] {
  const commits = transactions.map(({ id, value }) => ({
    job: id.job,
    attempt: id.attempt,
    sink: id.sink,
    subtask: id.subtask,
    checkpoint: id.checkpoint,
    pending: value.pending,
    part: value.part,
  }));
  return [...new Map(commits.map((commit) => [commit.pending, commit])).values()];
}

function corrupt(message: string): TidemarkError {
  return new TidemarkError('TARGET_CORRUPT', message, {
    hint: 'put the file or the ledger back, or restore into a new target folder',
  });
}
