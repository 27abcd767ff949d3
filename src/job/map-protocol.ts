/** What passes between `rewrite` and the thread that runs the user's map functions. */
import type { ErrorRecord } from '../base/errors.js';
import type { ManifestOperator, ManifestTable } from '../format/manifest.js';

/** What the thread is started with. */
export interface MapThreadData {
  /** Of each module, the path of its bundle. */
  readonly bundles: readonly string[];
  readonly tables: readonly {
    readonly table: ManifestTable;
    readonly operator: ManifestOperator;
    /** The place of its module in `bundles`. */
    readonly bundle: number;
    /** What messages call the module. */
    readonly file: string;
  }[];
  /** Two Int32: the entry of the block that is being mapped, and how many calls were begun. */
  readonly progress: SharedArrayBuffer;
}

/** One block; answered before the next is sent. */
export interface ToMapThread {
  readonly table: number;
  readonly payload: Uint8Array;
  readonly entries: number;
}

export type FromMapThread =
  | { readonly type: 'ready' }
  | {
      readonly type: 'mapped';
      /** Undefined where no entry is left. */
      readonly payload: Uint8Array | undefined;
      readonly entries: number;
      readonly changed: number;
    }
  | { readonly type: 'failed'; readonly error: ErrorRecord }
  | { readonly type: 'exit'; readonly code: string; readonly at: string | undefined }
  | { readonly type: 'output'; readonly text: string };

export const PROGRESS_BYTES = 8;
export const PROGRESS = { place: 0, calls: 1 } as const;
