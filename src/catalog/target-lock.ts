/**
 * Who may write into a sink's target folder, also across homes.
 *
 *     <folder>/.tidemark/lock.db     held while an attempt of the owner writes (lock.ts)
 *     <folder>/.tidemark/owner.json  the job the folder belongs to until it is over, written durably
 *
 * The lock keeps two runners apart; the record keeps the folder for a job that is suspended, lost or failed, whose
 * transactions wait there. Invariants: the record is read and changed only under the lock; it is given up by its
 * job when that is finished or canceled, or taken over when the owner's home says that it is, so that a process
 * that dies between its end and giving it up leaves no folder locked.
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { systemCode, TidemarkError, toTidemarkError } from '../base/errors.js';
import { makeFolder, syncFolder } from './home.js';
import { acquireLock, type Lock, lockInfo } from './lock.js';
import { peekJobState } from './open.js';

const FOLDER_MODE = 0o777;
const OWN_FOLDER_MODE = 0o700;
/** The most that is read of an owner's record. */
const MAX_OWNER_BYTES = 64 * 1024;

/** What always helps: one target has one writer. */
const ANOTHER = 'let this job write elsewhere (--param), or nowhere (--sinks mute)';

export interface TargetOwner {
  /** The job's id. */
  readonly job: string;
  readonly name: string;
  /** The root of the job's home, absolute. */
  readonly home: string;
}

export interface TargetClaim {
  readonly folder: string;
  /** Frees the folder for this job's next attempt, or, when `forgetOwner`, for any job. */
  release(forgetOwner: boolean): void;
}

/**
 * Takes a target folder for one attempt of a job; makes it when it is absent.
 * @throws TARGET_LOCKED when another job, or another attempt or sink of this one, has it.
 */
export function claimTarget(folder: string, owner: TargetOwner): TargetClaim {
  const own = join(resolve(folder), '.tidemark');
  makeFolder(resolve(folder), FOLDER_MODE);
  makeFolder(own, OWN_FOLDER_MODE);
  const path = join(own, 'lock.db');
  const lock = acquireLock(path, { ...owner });
  if (lock === undefined) throw targetBusy(folder, lockInfo(path), owner);
  const record = join(own, 'owner.json');
  try {
    const found = readOwner(record);
    if (found !== undefined && !mayReplace(found, owner)) throw targetOwned(folder, record, found);
    writeOwner(record, owner);
    return claim(folder, record, lock);
  } catch (error) {
    lock.release();
    throw toTidemarkError(error, `cannot take the target ${folder}`);
  }
}

function claim(folder: string, record: string, lock: Lock): TargetClaim {
  return {
    folder,
    release(forgetOwner) {
      try {
        if (forgetOwner) {
          rmSync(record, { force: true });
          syncFolder(join(record, '..'));
        }
      } finally {
        lock.release();
      }
    },
  };
}

/** The same job in the same or a moved home, or a job that is over. */
function mayReplace(found: TargetOwner, owner: TargetOwner): boolean {
  if (found.job === owner.job && sameFolder(found.home, owner.home)) return true;
  const state = peekJobState(found.home, found.job);
  if (state === 'finished' || state === 'canceled' || state === 'no-job') return true;
  // A job that is in two homes is a copy's; where the first home is gone, it was moved.
  return state === 'no-home' && found.job === owner.job;
}

function sameFolder(a: string, b: string): boolean {
  try {
    return realpathSync(a) === realpathSync(b);
  } catch {
    return resolve(a) === resolve(b);
  }
}

function readOwner(record: string): TargetOwner | undefined {
  let text: string;
  try {
    text = readFileSync(record, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  const value = text.length > MAX_OWNER_BYTES ? undefined : parse(text);
  if (isOwner(value)) return value;
  throw new TidemarkError('TARGET_CORRUPT', `${record}: expected the job that owns this folder`, {
    hint: `if no job writes into this folder, remove the file: rm ${record}`,
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isOwner(value: unknown): value is TargetOwner {
  if (typeof value !== 'object' || value === null) return false;
  const owner: Partial<Record<keyof TargetOwner, unknown>> = value;
  return [owner.job, owner.name, owner.home].every((item) => typeof item === 'string');
}

function writeOwner(record: string, { job, name, home }: TargetOwner): void {
  const temp = `${record}.tmp`;
  writeFileSync(temp, `${JSON.stringify({ job, name, home })}\n`);
  const file = openSync(temp, 'r+');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temp, record);
  syncFolder(join(record, '..'));
}

function targetBusy(
  folder: string,
  holder: Readonly<Record<string, unknown>> | undefined,
  owner: TargetOwner,
): TidemarkError {
  if (holder?.['job'] === owner.job) {
    return new TidemarkError('TARGET_LOCKED', `another sink or attempt of this job writes into ${folder}`, {
      hint: 'give each sink a folder of its own',
    });
  }
  const who = isOwner(holder) ? `job ${holder.name} (${holder.job}) of ${holder.home}` : 'another process';
  return new TidemarkError('TARGET_LOCKED', `${who} is writing into ${folder}`, {
    hint: isOwner(holder)
      ? `${ANOTHER}; or end that one: tidemark cancel ${holder.job} --home ${holder.home}`
      : ANOTHER,
  });
}

function targetOwned(folder: string, record: string, found: TargetOwner): TidemarkError {
  const message = `${folder} belongs to job ${found.name} (${found.job}) of ${found.home}, which may be resumed`;
  const gone = peekJobState(found.home, found.job) === 'no-home';
  return new TidemarkError('TARGET_LOCKED', gone ? `${message}; that home is gone` : message, {
    hint: gone
      ? `${ANOTHER}; or, if that job is not coming back: rm ${record}`
      : `${ANOTHER}; or end that one: tidemark cancel ${found.job} --home ${found.home}`,
  });
}
