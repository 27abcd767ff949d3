/**
 * Reads a file as it grows, for ever, across rotation.
 *
 *     app.log (inode 1) ──rename──▶ app.log.1 (inode 1)     the rest of inode 1 is read first,
 *     app.log (inode 2)                                     then what came between, then app.log from 0
 *
 * Invariants: a line is handed out when its end is there, or when a newer file has taken the file's place and
 * it can grow no more; the position names a file by inode and fingerprint, so that one renamed while nobody
 * looked is found again; a file that shrank, or has other content before the offset, begins again at 0.
 *
 * What no reader can save: with copytruncate, lines written after the last look and before the truncation; a
 * rotated file that was deleted or compressed before its rest was read; a writer that goes on writing to a
 * rotated file after another has begun the new one; a file replaced, not renamed, by one with the same
 * beginning, which is taken for the same when it happens while the job is down.
 */
import { join, posix } from 'node:path';
import type { Disk, FileStat, ReadFile } from '../../base/disk.js';
import type { Batch, ReadRequest } from '../../graph/source.js';
import { type Format, OpenFile, openIfThere } from './open-file.js';
import { type FilePosition, Fingerprint, startOf } from './position.js';
import { rotationsOf } from './rotation.js';

export interface FollowOptions<T> {
  readonly base: string;
  /** The live file, relative to the base. */
  readonly live: string;
  readonly format: Format<T>;
  /** Milliseconds between two looks. */
  readonly pollInterval: number;
}

/** Looks at the names of a family until two in a row agree. */
const MAX_LOOKS = 10;

/** A file of the family as it lies in the folder now. */
interface Member {
  /** Relative to the base. */
  readonly path: string;
  readonly stat: FileStat;
}

export async function* follow<T>(
  request: ReadRequest<FilePosition>,
  options: FollowOptions<T>,
): AsyncGenerator<Batch<T, FilePosition>, void, undefined> {
  const follower = new Follower(request, options);
  try {
    yield* follower.run();
  } finally {
    await follower.close();
  }
}

class Follower<T> {
  readonly #request: ReadRequest<FilePosition>;
  readonly #options: FollowOptions<T>;
  readonly #disk: Disk;
  #open: OpenFile<T> | undefined;
  /** Opened while the rest of `#open` is still being read. */
  #next: OpenFile<T> | undefined;

  constructor(request: ReadRequest<FilePosition>, options: FollowOptions<T>) {
    this.#request = request;
    this.#options = options;
    this.#disk = request.disk;
  }

  async close(): Promise<void> {
    const [open, next] = [this.#open, this.#next];
    this.#open = undefined;
    this.#next = undefined;
    await open?.file.close();
    await next?.file.close();
  }

  async *run(): AsyncGenerator<Batch<T, FilePosition>, void, undefined> {
    const { signal } = this.#request;
    while (!signal.aborted) {
      this.#open = await this.#find(this.#request.position);
      if (this.#open !== undefined) break;
      await this.#pause();
    }
    while (!signal.aborted && this.#open !== undefined) {
      // Without elements: it makes the file's identity part of the position before its first line is whole.
      yield { elements: [], position: this.#open.position };
      yield* this.#readUntilReplaced(this.#open);
      const read = this.#open;
      this.#open = this.#next;
      this.#next = undefined;
      await read.file.close();
    }
  }

  /** Reads until a newer file has taken its place, which is then in `#next`, or until aborted. */
  async *#readUntilReplaced(open: OpenFile<T>): AsyncGenerator<Batch<T, FilePosition>, void, undefined> {
    const { signal, batch: limit } = this.#request;
    let seen: FileStat | undefined;
    while (!signal.aborted) {
      const now = await open.file.stat();
      if (now.size !== seen?.size || now.modified !== seen.modified) {
        seen = now;
        if (!(await this.#intact(open, now))) yield this.#restart(open);
        yield* this.#drain(open, limit, false);
        // Half a line is read anew once there is more: it may be another by then, and holds no memory so long.
        open.refresh();
      }
      this.#next = await this.#newer(open);
      if (this.#next !== undefined) return yield* this.#drain(open, limit, true);
      await this.#pause();
    }
  }

  #restart(open: OpenFile<T>): Batch<T, FilePosition> {
    this.#request.log(
      `${this.#full(open.path)} was truncated at byte ${open.offset} and is read from its start`,
    );
    open.restart();
    return { elements: [], position: open.position };
  }

  async *#drain(
    open: OpenFile<T>,
    limit: number,
    final: boolean,
  ): AsyncGenerator<Batch<T, FilePosition>, void> {
    while (!this.#request.signal.aborted) {
      const batch = await open.next(limit, final, this.#request.until);
      if (batch === undefined) return;
      yield batch;
    }
  }

  async #intact(open: OpenFile<T>, now: FileStat): Promise<boolean> {
    return now.size >= open.offset && (await open.stillThere());
  }

  /** The file that follows this one, open at its start, once this one is no longer the live one. */
  async #newer(open: OpenFile<T>): Promise<OpenFile<T> | undefined> {
    const { live } = this.#options;
    const { inode } = await open.file.stat();
    const liveStat = await this.#stat(live);
    if (liveStat?.inode === inode) {
      open.path = live;
      return undefined;
    }
    const members = await this.#members();
    if (members === undefined) return undefined;
    const mine = members.findIndex((member) => member.stat.inode === inode);
    const found = members[mine];
    if (found !== undefined) open.path = found.path;
    const next =
      found === undefined ? this.#laterThan(members, open.identity?.modified ?? 0) : members[mine + 1];
    // An empty live file has no writer yet: the old one may still be written to.
    if (next === undefined || (next.path === live && next.stat.size === 0)) return undefined;
    return this.#openAtStart(next);
  }

  /** Where a file that is gone was the newest: the oldest of those written to since, else the live one. */
  #laterThan(members: readonly Member[], modified: number): Member | undefined {
    const { live } = this.#options;
    return members.find((member) => member.path === live || member.stat.modified > modified);
  }

  /** The file to go on with after a start; undefined while there is none. */
  async #find(position: FilePosition): Promise<OpenFile<T> | undefined> {
    const members = await this.#members();
    if (members === undefined) return undefined;
    if (position.inode === undefined) {
      const first = members.find((member) => member.path === position.path) ?? members.at(-1);
      return first?.path === position.path || first?.path === this.#options.live
        ? this.#openAtStart(first)
        : undefined;
    }
    const same =
      members.find((member) => member.stat.inode === position.inode) ??
      (await this.#elsewhere(position.inode));
    const resumed = same ?? members.find((member) => position.offset > 0 && member.path === position.path);
    if (resumed !== undefined) {
      const open = await this.#resume(resumed, position);
      if (open !== undefined) return open;
      if (resumed === same) {
        this.#request.log(`${this.#full(same.path)} was truncated and is read from its start`);
        return this.#openAtStart(same);
      }
    }
    return this.#giveUp(members, position);
  }

  async #giveUp(members: readonly Member[], position: FilePosition): Promise<OpenFile<T> | undefined> {
    const next = this.#laterThan(members, position.modified ?? 0);
    if (next === undefined) return undefined;
    this.#request.log(
      `${this.#full(position.path)}, read up to byte ${position.offset}, is gone; going on with ${next.path}`,
    );
    return this.#openAtStart(next);
  }

  async #openAtStart(member: Member): Promise<OpenFile<T> | undefined> {
    return this.#resume(member, startOf(member.path));
  }

  /** Opens at the position; undefined when the content before it is other, or the name was given away since. */
  async #resume(member: Member, position: FilePosition): Promise<OpenFile<T> | undefined> {
    const file = await openIfThere(this.#disk, this.#full(member.path));
    if (file === undefined) return undefined;
    const open = await this.#tryOpen(file, member, position);
    if (open === undefined) await file.close();
    return open;
  }

  async #tryOpen(file: ReadFile, member: Member, position: FilePosition): Promise<OpenFile<T> | undefined> {
    const identity = await file.stat();
    if (identity.inode !== member.stat.inode) return undefined;
    const print = await Fingerprint.resume(file, position);
    if (print === undefined) return undefined;
    const name = this.#full(member.path);
    return new OpenFile({
      path: member.path,
      name,
      file,
      format: this.#options.format,
      print,
      position,
      identity,
    });
  }

  /**
   * The live file and its rotations, oldest first, as they lay at one moment: a rotation that goes on while their
   * names are read one by one would hide the file that has just been given a name read before. Undefined when
   * they never lie still.
   */
  async #members(): Promise<readonly Member[] | undefined> {
    let members = await this.#listMembers();
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      const again = await this.#listMembers();
      if (sameNames(members, again)) return again;
      members = again;
    }
    return undefined;
  }

  async #listMembers(): Promise<Member[]> {
    const { base, live } = this.#options;
    const folder = posix.dirname(live);
    const names = await this.#disk.list(join(base, folder));
    const paths = rotationsOf(posix.basename(live), names).map((name) => posix.join(folder, name));
    const members: Member[] = [];
    for (const path of [...paths, live]) {
      const stat = await this.#stat(path);
      if (stat?.isFile) members.push({ path, stat });
    }
    return members;
  }

  /** The file under a name that no rotation gives: `app.log.old`. */
  async #elsewhere(inode: number): Promise<Member | undefined> {
    const { base, live } = this.#options;
    const folder = posix.dirname(live);
    for (const name of await this.#disk.list(join(base, folder))) {
      const path = posix.join(folder, name);
      const stat = await this.#stat(path);
      if (stat?.isFile && stat.inode === inode) return { path, stat };
    }
    return undefined;
  }

  #stat(path: string): Promise<FileStat | undefined> {
    return this.#disk.stat(this.#full(path));
  }

  #full(path: string): string {
    return join(this.#options.base, path);
  }

  #pause(): Promise<void> {
    return this.#request.clock.sleep(this.#options.pollInterval, this.#request.signal);
  }
}

function sameNames(a: readonly Member[], b: readonly Member[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ path, stat }, i) => {
      const other = b[i];
      return other?.path === path && other.stat.inode === stat.inode;
    })
  );
}
