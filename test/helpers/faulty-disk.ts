/**
 * A {@link Disk} in memory that fails on demand and can lose its power.
 *
 *     const disk = new FaultyDisk();
 *     disk.failAt(7, 'ENOSPC');      // the 7th operation from now rejects, and does nothing
 *     disk.failFrom(7, 'ENOSPC');    // so do all after it, until heal()
 *     disk.tearAppend(2);            // the 2nd append from now keeps the first half of its bytes, and rejects
 *     disk.crash();                  // power loss: file bytes since their last sync are gone, names since the
 *                                    // last syncFolder of their folder are as they were; open handles are dead
 *     disk.operations                // every call so far, as 'append /a/b.tmp': loop over their number to fail each
 *
 * What counts as an operation is every method of Disk, ReadFile and WriteFile except close. Folders are durable
 * once made, as the contract of `mkdir` says. Renaming over a file replaces it; folders are not renamed.
 */
import { basename, dirname } from 'node:path';
import type { Disk, FileStat, ReadFile, WriteFile } from '../../src/base/disk.js';

interface Inode {
  readonly id: number;
  bytes: Buffer;
  synced: Buffer;
  modified: number;
}

interface Fault {
  readonly at: number;
  readonly until: number;
  readonly errno: string;
}

export class FaultyDisk implements Disk {
  readonly operations: string[] = [];
  #appends = 0;
  #fault: Fault | undefined;
  #tear: number | undefined;
  #generation = 0;
  #nextInode = 1;
  #names = new Map<string, Inode>();
  #durable = new Map<string, Inode>();
  readonly #folders = new Set<string>(['/', '.']);

  failAt(nth: number, errno: string): void {
    this.#fault = { at: this.operations.length + nth, until: this.operations.length + nth, errno };
  }

  failFrom(nth: number, errno: string): void {
    this.#fault = { at: this.operations.length + nth, until: Number.POSITIVE_INFINITY, errno };
  }

  tearAppend(nth: number): void {
    this.#tear = this.#appends + nth;
  }

  heal(): void {
    this.#fault = undefined;
    this.#tear = undefined;
  }

  crash(): void {
    this.heal();
    this.#generation++;
    this.#names = new Map(this.#durable);
    for (const inode of this.#names.values()) inode.bytes = inode.synced;
  }

  /** The bytes of a file now, without counting as an operation. */
  peek(path: string): Buffer | undefined {
    return this.#names.get(path)?.bytes;
  }

  /** Puts a file there, durably, without counting as an operation. */
  plant(path: string, bytes: Uint8Array): void {
    this.#makeFolders(dirname(path));
    const inode = this.#newInode();
    inode.bytes = Buffer.from(bytes);
    inode.synced = inode.bytes;
    this.#names.set(path, inode);
    this.#durable.set(path, inode);
  }

  /** All paths of files now, sorted. */
  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  async open(path: string): Promise<ReadFile> {
    this.#begin('open', path);
    const inode = this.#find(path);
    const alive = this.#aliveCheck();
    return {
      read: async (into, offset) => {
        alive();
        this.#begin('read', path);
        return inode.bytes.copy(into, 0, Math.min(offset, inode.bytes.length));
      },
      stat: async () => {
        alive();
        this.#begin('stat', path);
        return statOf(inode);
      },
      close: async () => {},
    };
  }

  async create(path: string, options?: { exclusive?: boolean }): Promise<WriteFile> {
    this.#begin('create', path);
    if (!this.#folders.has(dirname(path))) throw systemError('ENOENT', path);
    const found = this.#names.get(path);
    if (found !== undefined && options?.exclusive === true) throw systemError('EEXIST', path);
    const inode = found ?? this.#newInode();
    this.#names.set(path, inode);
    const alive = this.#aliveCheck();
    return {
      append: async (bytes) => {
        alive();
        this.#begin('append', path);
        const torn = ++this.#appends === this.#tear;
        const kept = torn ? bytes.subarray(0, Math.floor(bytes.length / 2)) : bytes;
        inode.bytes = Buffer.concat([inode.bytes, kept]);
        inode.modified++;
        if (torn) throw systemError('EIO', path);
      },
      sync: async () => {
        alive();
        this.#begin('sync', path);
        inode.synced = inode.bytes;
      },
      close: async () => {},
    };
  }

  async stat(path: string): Promise<FileStat | undefined> {
    this.#begin('stat', path);
    const inode = this.#names.get(path);
    if (inode !== undefined) return statOf(inode);
    return this.#folders.has(path) ? { size: 0, inode: 0, isFile: false, modified: 0 } : undefined;
  }

  async list(folder: string): Promise<string[]> {
    this.#begin('list', folder);
    const inside = [...this.#names.keys(), ...this.#folders].filter((path) => isIn(folder, path));
    return inside.map((path) => basename(path)).sort();
  }

  async mkdir(folder: string): Promise<void> {
    this.#begin('mkdir', folder);
    this.#makeFolders(folder);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#begin('rename', `${from} ${to}`);
    const inode = this.#find(from);
    if (!this.#folders.has(dirname(to))) throw systemError('ENOENT', to);
    this.#names.delete(from);
    this.#names.set(to, inode);
  }

  async link(from: string, to: string): Promise<void> {
    this.#begin('link', `${from} ${to}`);
    const inode = this.#find(from);
    if (!this.#folders.has(dirname(to))) throw systemError('ENOENT', to);
    if (this.#names.has(to)) throw systemError('EEXIST', to);
    this.#names.set(to, inode);
  }

  async remove(path: string): Promise<void> {
    this.#begin('remove', path);
    this.#names.delete(path);
  }

  async syncFolder(folder: string): Promise<void> {
    this.#begin('syncFolder', folder);
    if (!this.#folders.has(folder)) throw systemError('ENOENT', folder);
    for (const path of this.#durable.keys()) if (isIn(folder, path)) this.#durable.delete(path);
    for (const [path, inode] of this.#names) if (isIn(folder, path)) this.#durable.set(path, inode);
  }

  #begin(operation: string, path: string): void {
    const nth = this.operations.push(`${operation} ${path}`);
    const fault = this.#fault;
    if (fault !== undefined && nth >= fault.at && nth <= fault.until) throw systemError(fault.errno, path);
  }

  #find(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError('ENOENT', path);
    return inode;
  }

  #newInode(): Inode {
    return { id: this.#nextInode++, bytes: Buffer.alloc(0), synced: Buffer.alloc(0), modified: 1 };
  }

  #makeFolders(folder: string): void {
    for (let each = folder; !this.#folders.has(each); each = dirname(each)) this.#folders.add(each);
  }

  #aliveCheck(): () => void {
    const born = this.#generation;
    return () => {
      if (this.#generation !== born) throw systemError('EBADF', 'a handle from before the crash');
    };
  }
}

function isIn(folder: string, path: string): boolean {
  return path !== folder && dirname(path) === folder;
}

function statOf(inode: Inode): FileStat {
  return { size: inode.bytes.length, inode: inode.id, isFile: true, modified: inode.modified };
}

/** An error as Node's file system gives it. */
export function systemError(errno: string, path: string): Error {
  return Object.assign(new Error(`${errno}: injected, '${path}'`), { code: errno, path });
}
