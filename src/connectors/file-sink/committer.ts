/**
 * Commits the transactions of a file sink: first the ledger, then the names. Setting aside goes the same way.
 *
 *     pending file, fsynced ──▶ a line in the ledger, fsynced ──▶ renamed, folder fsynced
 *                              └ from here on it is committed
 *     part ahead            ──▶ a line in the ledger, fsynced ──▶ hidden,  folder fsynced
 *                              └ from here on it is set aside
 *
 * Invariants: being in the ledger is being committed, or set aside, whatever has become of the file since; a file
 * of either that has not got its last name gets it at the next chance; only this job's own pending files are
 * removed, and only after every committed one has its name; where a job began is in the ledger before its commits.
 */
import { join } from 'node:path';
import { present } from '../../base/assert.js';
import type { Disk } from '../../base/disk.js';
import { systemCode, TidemarkError, toTidemarkError } from '../../base/errors.js';
import type {
  LineageEntry,
  SinkCommitter,
  SinkContext,
  Transaction,
  TransactionId,
} from '../../graph/sink.js';
import type { Commit, Ledger, WriterRuns } from './ledger.js';
import { LedgerFile, readTarget, TARGET_FOLDER } from './ledger-file.js';
import { aheadOf, idsOf, lackingOf } from './lineage.js';
import { asideName, isPartOfOther, isPendingOf, transactionStem } from './names.js';
import { partsIn } from './parts.js';
import { countOf } from './runs.js';
import type { FileTransaction } from './transaction.js';

/** The most transactions that `ahead` names; the newest, where there are more. */
export const MAX_AHEAD = 100_000;
/** The most files that a line of the log names. */
const MAX_LOGGED = 10;

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
      const ledger = await this.#open();
      await this.#recordBeginning(ledger);
      await this.#commit(restored);
      const names = await this.#disk.list(this.#folder);
      if (restored.length === 0) this.#logOthers(names);
      await this.#removeLeftovers(names);
    });
  }

  commit(transactions: readonly Transaction<FileTransaction>[]): Promise<void> {
    return this.#saying('committing', async () => {
      if (this.#ledger === undefined || this.#ledger.broken) await this.#open();
      await this.#commit(transactions);
    });
  }

  /** Reads only: the target may be another job's at that time. */
  ahead(lineage: readonly LineageEntry[]): Promise<readonly TransactionId[]> {
    return this.#saying('looking at what is committed', async () => {
      const { ledger } = await readTarget(this.#disk, this.#folder);
      this.#refuseLacking(ledger, lineage);
      return idsOf(aheadOf(ledger, this.#context.job.id, lineage), MAX_AHEAD);
    });
  }

  rewind(lineage: readonly LineageEntry[]): Promise<void> {
    return this.#saying('rewinding', async () => {
      try {
        await this.#setAside(await this.#open(), lineage);
      } finally {
        // What failed here is finished by the next to open it.
        await this.close();
      }
    });
  }

  async close(): Promise<void> {
    const ledger = this.#ledger;
    this.#ledger = undefined;
    await ledger?.close();
  }

  /** Reads the ledgers and gives the files they name their last names: only what has a part is set aside. */
  async #open(): Promise<LedgerFile> {
    await this.close();
    await this.#disk.mkdir(join(this.#folder, TARGET_FOLDER));
    // What is seen renamed from here on is durably so, and may be folded.
    await this.#disk.syncFolder(this.#folder);
    const { file, unfinished } = await LedgerFile.open(
      this.#disk,
      this.#folder,
      this.#context.sink,
      async ({ commits, parts }) => ({
        commits: await this.#stillPending(commits),
        parts: await this.#stillVisible(parts),
      }),
    );
    await this.#giveNames(unfinished.commits);
    await this.#hide(unfinished.parts);
    this.#ledger = file;
    return file;
  }

  /** So that a job restored from another snapshot of the same past can tell this one's transactions. */
  async #recordBeginning(ledger: LedgerFile): Promise<void> {
    const { job, lineage } = this.#context;
    if (lineage.length > 0 && !ledger.knows(job.id)) await ledger.begin(job.id, lineage);
  }

  async #setAside(ledger: LedgerFile, lineage: readonly LineageEntry[]): Promise<void> {
    const { said } = ledger;
    this.#refuseLacking(said, lineage);
    const writers = aheadOf(said, this.#context.job.id, lineage);
    if (writers.length === 0) return;
    const names = await this.#disk.list(this.#folder);
    const { parts, missing } = partsIn(names, writers);
    await ledger.setAside(writers, parts);
    this.#logMissing(missing);
    await this.#hide(parts);
    await ledger.fold();
  }

  async #commit(transactions: readonly Transaction<FileTransaction>[]): Promise<void> {
    const ledger = present(this.#ledger, 'the ledger');
    const commits = unique(transactions);
    const fresh = commits.filter((commit) => !ledger.has(commit));
    const files = transactions.flatMap(({ value }) => value.files);
    const lengths = new Map(files.map(({ pending, bytes }) => [pending, bytes]));
    for (const commit of fresh) await this.#check(commit, lengths.get(commit.pending));
    if (fresh.length > 0) await ledger.append(fresh);
    const known = commits.filter((commit) => !fresh.includes(commit));
    await this.#giveNames([...fresh, ...(await this.#stillPending(known))]);
    await ledger.foldIfLong();
  }

  /** Refuses a file that is not what was prepared. */
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

  /** Those of files that are to be hidden which still show. */
  async #stillVisible(parts: readonly string[]): Promise<string[]> {
    const visible: string[] = [];
    for (const part of parts) {
      if ((await this.#disk.stat(join(this.#folder, part))) !== undefined) visible.push(part);
      else if ((await this.#disk.stat(join(this.#folder, asideName(part)))) === undefined)
        this.#logGone('1 file was', [part]);
    }
    return visible;
  }

  async #hide(parts: readonly string[]): Promise<void> {
    if (parts.length === 0) return;
    for (const part of parts) {
      try {
        await this.#disk.rename(join(this.#folder, part), join(this.#folder, asideName(part)));
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') throw error;
        this.#logGone('1 file was', [part]);
      }
    }
    await this.#disk.syncFolder(this.#folder);
  }

  #logMissing(missing: readonly WriterRuns[]): void {
    const total = totalOf(missing);
    if (total === 0) return;
    const what = total === 1 ? 'the files of 1 transaction were' : `the files of ${total} transactions were`;
    this.#logGone(what, [...namesOf(missing), ...(total > MAX_LOGGED ? ['…'] : [])]);
  }

  /** Says which files a consumer took before a rewind: what they hold will be written again. */
  #logGone(what: string, parts: readonly string[]): void {
    this.#context.log(
      `sink ${this.#context.sink}: ${what} moved out of ${this.#folder} before a rewind could set them aside, ` +
        `and what they hold will be written again: ${parts.join(', ')}`,
    );
  }

  #refuseLacking(ledger: Ledger, lineage: readonly LineageEntry[]): void {
    const lacking = lackingOf(ledger, lineage);
    const [newest] = idsOf(lacking, 1);
    if (newest === undefined) return;
    const found = `${totalOf(lacking)} transactions, up to checkpoint ${newest.checkpoint} of job ${newest.job}`;
    throw new TidemarkError(
      'TARGET_AHEAD',
      `the target of sink ${this.#context.sink} was rewound to before the snapshot, which set aside what belongs ` +
        `to it: ${found}`,
      { hint: 'give the sink another target, or add --sinks mute', operator: this.#context.sink },
    );
  }

  async #giveNames(commits: readonly Commit[]): Promise<void> {
    if (commits.length === 0) return;
    for (const { pending, part } of commits) {
      await this.#disk.rename(join(this.#folder, pending), join(this.#folder, part));
    }
    await this.#disk.syncFolder(this.#folder);
  }

  /** A job without a past adds to what other jobs have left, and consumers see both: right, but rarely what was meant. */
  #logOthers(names: readonly string[]): void {
    const { job, lineage, sink } = this.#context;
    if (lineage.length > 0) return;
    const others = names.filter((name) => isPartOfOther(name, job.id)).sort();
    if (others.length === 0) return;
    const what = others.length === 1 ? '1 file of another job' : `${others.length} files of other jobs`;
    this.#context.log(
      `sink ${sink}: ${this.#folder} has ${what} already, such as ${others[0]}; adding to them`,
    );
  }

  /** Own files that no snapshot and no ledger knows: written after the snapshot that was recovered from. */
  async #removeLeftovers(names: readonly string[]): Promise<void> {
    const { job, sink } = this.#context;
    const leftovers = names.filter(isPendingOf({ job: job.id, sink }));
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

/** Each file of each transaction once. */
function unique(transactions: readonly Transaction<FileTransaction>[]): Commit[] {
  const commits = transactions.flatMap(({ id, value }) =>
    value.files.map(({ pending, part }) => ({
      job: id.job,
      attempt: id.attempt,
      sink: id.sink,
      subtask: id.subtask,
      checkpoint: id.checkpoint,
      pending,
      part,
    })),
  );
  return [...new Map(commits.map((commit) => [commit.pending, commit])).values()];
}

function totalOf(writers: readonly WriterRuns[]): number {
  return writers.reduce((sum, { ranges }) => sum + countOf(ranges), 0);
}

/** What the names of the files of the newest of these transactions begin with. */
function namesOf(writers: readonly WriterRuns[]): string[] {
  return writers
    .flatMap((writer) =>
      idsOf([writer], MAX_LOGGED).map((id) => `${transactionStem(writer.prefix ?? '', id)}*`),
    )
    .slice(0, MAX_LOGGED);
}

function corrupt(message: string): TidemarkError {
  return new TidemarkError('TARGET_CORRUPT', message, {
    hint: 'put the file or the ledger back, or restore into a new target folder',
  });
}
