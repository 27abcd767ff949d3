/**
 * The seam for files. Code that keeps anything goes through a Disk, so that tests can fail the nth operation,
 * tear a write or forget what was not synced.
 *
 * Duties of an implementation: each method either does all it says or rejects with a Node system error;
 * `append` writes every byte; `sync` returns only when the bytes (or, for a folder, the names) are durable.
 * Duties of a caller: durable files are written as temp, sync, rename, syncFolder.
 */
export interface Disk {
  /** Opens for reading. Rejects with ENOENT when absent. */
  open(path: string): Promise<ReadFile>;
  /** Opens for appending; `exclusive` rejects with EEXIST when the file is there. */
  create(path: string, options?: { exclusive?: boolean }): Promise<WriteFile>;
  stat(path: string): Promise<FileStat | undefined>;
  /** Names in the folder, sorted; empty when the folder is absent. */
  list(folder: string): Promise<string[]>;
  /** Makes the folder and those above it; durable on return, no error when it is there. */
  mkdir(folder: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Gives the file a second name. Rejects with EEXIST when `to` is there, which `rename` would replace. */
  link(from: string, to: string): Promise<void>;
  /** Removing what is absent is no error. */
  remove(path: string): Promise<void>;
  syncFolder(folder: string): Promise<void>;
}

export interface FileStat {
  readonly size: number;
  readonly inode: number;
  readonly isFile: boolean;
  readonly modified: number;
}

export interface ReadFile {
  /** Reads up to `into.length` bytes at `offset`; 0 means the end. */
  read(into: Uint8Array, offset: number): Promise<number>;
  stat(): Promise<FileStat>;
  close(): Promise<void>;
}

export interface WriteFile {
  append(bytes: Uint8Array): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Reading at once, for the one place that may not wait: state on disk, looked up between two elements. Throws Node's
 * system errors.
 */
export interface SyncDisk {
  openSync(path: string): SyncFile;
}

export interface SyncFile {
  readonly size: number;
  /** Reads up to `into.length` bytes at `offset`; 0 means the end. */
  read(into: Uint8Array, offset: number): number;
  close(): void;
}
