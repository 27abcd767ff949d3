/**
 * What the main thread and the store thread say to each other.
 *
 *     main: begin ─ chunk* ─ finish | discard     thread: taken* ─ lease (answered) ─ done | failed
 *     main: merge ─ [stop-merge]                  thread: lease (answered) ─ done | failed
 */
import type { ErrorRecord } from '../base/errors.js';
import type { TableStats } from '../format/sorted-layout.js';

/** Whose a run is that a merge makes; deltas have other numbers. */
export const MERGE = 0;

export interface StoreThreadData {
  readonly folder: string;
  /** Ids of the tables whose entries count only in the last run. */
  readonly unkeyed: ReadonlySet<number>;
}

export interface Run {
  readonly name: string;
  readonly bytes: number;
  readonly tables: readonly TableStats[];
}

export interface MergeRequest {
  /** Oldest first. */
  readonly inputs: readonly string[];
  /** No run is older than the first input. */
  readonly bottom: boolean;
  /** Keep the unkeyed entries of the last input: what comes out is a checkpoint by itself. */
  readonly whole: boolean;
  /** Entries whose stamp is not after this are gone. */
  readonly expiredAt: number;
}

export type ToStoreThread =
  | { readonly type: 'begin'; readonly id: number }
  | {
      readonly type: 'chunk';
      readonly id: number;
      readonly bytes: Uint8Array;
      readonly used: number;
      readonly entries: number;
    }
  | { readonly type: 'finish'; readonly call: number; readonly id: number }
  | { readonly type: 'discard'; readonly call: number; readonly id: number }
  | { readonly type: 'merge'; readonly call: number; readonly request: MergeRequest }
  | { readonly type: 'stop-merge' }
  /** Looks into runs that were there before. */
  | { readonly type: 'describe'; readonly call: number; readonly names: readonly string[] }
  | { readonly type: 'leased'; readonly lease: number; readonly error: ErrorRecord | undefined }
  | { readonly type: 'close' };

export type FromStoreThread =
  | { readonly type: 'taken'; readonly bytes: Uint8Array }
  | {
      readonly type: 'lease';
      readonly lease: number;
      /** The delta whose run it is; {@link MERGE} for a merge. */
      readonly owner: number;
      readonly name: string;
      readonly bytes: number;
    }
  | { readonly type: 'done'; readonly call: number; readonly runs: readonly Run[] }
  | { readonly type: 'failed'; readonly call: number; readonly error: ErrorRecord };
