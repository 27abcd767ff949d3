/** The file system of this machine, as a {@link Disk}. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Disk, FileStat, ReadFile, SyncDisk, SyncFile, WriteFile } from './disk.js';
import { systemCode } from './errors.js';

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } = constants;

export const realDisk: Disk = {
  async open(path) {
    return new RealReadFile(await open(path, O_RDONLY));
  },

  async create(path, options) {
    const exclusive = options?.exclusive === true ? O_EXCL : 0;
    return new RealWriteFile(await open(path, O_WRONLY | O_APPEND | O_CREAT | exclusive));
  },

  async stat(path) {
    const found = await absentAs(undefined, stat(path));
    return found === undefined ? undefined : toStat(found);
  },

  async list(folder) {
    return (await absentAs<string[]>([], readdir(folder))).sort();
  },

  async mkdir(folder) {
    const first = await mkdir(folder, { recursive: true });
    if (first === undefined) return;
    // A folder is kept only once the one that names it is synced, so all the way up to the first that was new.
    for (let made = folder; ; made = dirname(made)) {
      await realDisk.syncFolder(dirname(made));
      if (made === first || made === dirname(made)) return;
    }
  },

  rename,

  link,

  async remove(path) {
    await rm(path, { force: true });
  },

  async syncFolder(folder) {
    const handle = await open(folder, O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

class RealReadFile implements ReadFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    const { bytesRead } = await this.#handle.read(into, 0, into.length, offset);
    return bytesRead;
  }

  async stat(): Promise<FileStat> {
    return toStat(await this.#handle.stat());
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

class RealWriteFile implements WriteFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async append(bytes: Uint8Array): Promise<void> {
    // The kernel may take less than it is given, without an error: a nearly full disk, a signal.
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, at, bytes.length - at, null);
      at += bytesWritten;
    }
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

interface NodeStat {
  readonly size: number;
  readonly ino: number;
  readonly mtimeMs: number;
  isFile(): boolean;
}

function toStat(found: NodeStat): FileStat {
  return { size: found.size, inode: found.ino, isFile: found.isFile(), modified: found.mtimeMs };
}

/** What the promise gives, or `absent` where there is no such file or folder. */
async function absentAs<T>(absent: T, found: Promise<T>): Promise<T> {
  try {
    return await found;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return absent;
    throw error;
  }
}

/** The real disk, read at once. */
export const realSyncDisk: SyncDisk = {
  openSync(path: string): SyncFile {
    const fd = openSync(path, 'r');
    const { size } = fstatSync(fd);
    return {
      size,
      read: (into, offset) => readSync(fd, into, 0, into.length, offset),
      close: () => closeSync(fd),
    };
  },
};
