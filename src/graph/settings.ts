/**
 * How a job is run, as opposed to what it computes. A definition may give some of it, flags override that, and
 * defaults fill the rest; the resolved settings are frozen with the job.
 */
export interface CheckpointSettings {
  /** Milliseconds between two triggers; 0 turns periodic checkpoints off. */
  readonly interval: number;
  /** Milliseconds of rest between the end of one and the trigger of the next. */
  readonly minPause: number;
  /** Milliseconds after which one that has not completed is given up. */
  readonly timeout: number;
  /** Consecutive failures that do not yet fail the attempt. */
  readonly tolerated: number;
  /** Completed ones kept. */
  readonly retain: number;
  /** What one writes: all state, or what has changed since the one before. */
  readonly mode: 'full' | 'incremental';
  /** What becomes of the checkpoints of a canceled, and of a failed job. */
  readonly onCancel: 'delete' | 'retain';
  readonly onFailure: 'delete' | 'retain';
}

export type RestartSettings =
  | { readonly strategy: 'none' }
  | { readonly strategy: 'fixed-delay'; readonly delay: number; readonly attempts: number }
  | {
      readonly strategy: 'exponential-delay';
      readonly initial: number;
      readonly maximum: number;
      readonly factor: number;
      /** Attempts without a new completed checkpoint that fail the job. */
      readonly attempts: number;
    }
  | {
      readonly strategy: 'failure-rate';
      readonly failures: number;
      readonly window: number;
      readonly delay: number;
    };

export interface JobSettings {
  readonly parallelism: number;
  readonly maxParallelism: number;
  /** Where keyed state lives while the job runs. */
  readonly backend: 'memory' | 'disk';
  /** Bytes of state that the disk backend keeps in memory; of no meaning to the memory backend. */
  readonly cache: number;
  readonly checkpoint: CheckpointSettings;
  readonly restart: RestartSettings;
  /** Milliseconds one step may last. */
  readonly stepTimeout: number;
  /** Old-space limit of the data thread, in MiB; undefined: Node's own. */
  readonly heap: number | undefined;
  /** `mute`: elements reach the sinks' inputs and go no further. */
  readonly sinks: 'live' | 'mute';
}

/** What a definition may say of its own settings; durations as `'10s'` or milliseconds. */
export interface SettingsDeclaration {
  readonly parallelism?: number;
  readonly maxParallelism?: number;
  /** Where keyed state lives while the job runs: `disk` when there may be more of it than memory. Default: memory. */
  readonly backend?: 'memory' | 'disk';
  /** What the disk backend keeps of the state in memory, as `'512m'` or in bytes. Default: 128 MiB. */
  readonly cache?: string | number;
  readonly checkpoint?: {
    readonly interval?: string | number;
    readonly minPause?: string | number;
    readonly timeout?: string | number;
    readonly tolerated?: number;
    readonly retain?: number;
    /** What one writes: all state, or what has changed. Default: full on the memory backend, incremental on disk. */
    readonly mode?: 'full' | 'incremental';
    /** Default: delete when canceled, retain when failed. */
    readonly onCancel?: 'delete' | 'retain';
    readonly onFailure?: 'delete' | 'retain';
  };
  /** As on the command line: `none`, `fixed-delay:1s:3`, `exponential-delay:1s:1m:10`, `failure-rate:3:1m:1s`. */
  readonly restart?: string;
  readonly stepTimeout?: string | number;
}

export const DEFAULT_CHECKPOINT: CheckpointSettings = {
  interval: 10_000,
  minPause: 0,
  timeout: 600_000,
  tolerated: 0,
  retain: 1,
  mode: 'full',
  onCancel: 'delete',
  onFailure: 'retain',
};

/** Bytes. */
export const DEFAULT_CACHE = 128 * 1024 * 1024;

export const DEFAULT_RESTART: RestartSettings = {
  strategy: 'exponential-delay',
  initial: 1_000,
  maximum: 60_000,
  factor: 2,
  attempts: 10,
};

export const DEFAULT_STEP_TIMEOUT = 60_000;

/** The longest a setting may last, in milliseconds: what a timer of Node's can wait, a little over 24 days. */
export const MAX_DURATION = 2_147_483_647;
