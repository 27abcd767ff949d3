/** What an attempt tells about itself: sent by the data thread, served by `status`, kept when the attempt ends. */

export interface SplitMetrics {
  readonly id: string;
  /** As the source keeps it; what JSON lacks is shown as text. */
  readonly position: unknown;
  readonly state: 'waiting' | 'reading' | 'done';
  /** Elements since the attempt began. */
  readonly read: number;
  /** The greatest timestamp seen, milliseconds; null where there is none. */
  readonly timestamp: number | null;
}

export interface SubtaskMetrics {
  readonly subtask: number;
  /** First and last key group, for keyed operators. */
  readonly keyGroups: { readonly start: number; readonly end: number } | null;
  /** Elements since the attempt began. */
  readonly in: number;
  readonly out: number;
  readonly stateEntries: number;
  /** Bytes in the last completed checkpoint; 0 before the first. */
  readonly stateBytes: number;
  readonly timers: number;
  /** How far event time has come, milliseconds; 2^63 − 1 (as a double) at its end, null before it began or without it. */
  readonly watermark: number | null;
  /** How far that is behind processing time, milliseconds; null where there is none, and at the end. */
  readonly lagMs: number | null;
  /** Elements that came too late, since the attempt began; null where there is no such thing. */
  readonly late: number | null;
  /** Elements whose results have not left an `asyncMap`; null for other operators. */
  readonly inFlight: number | null;
  readonly splits: readonly SplitMetrics[];
}

export interface OperatorMetrics {
  /** The uid; for operators without one, kind and place, as `map-3`. */
  readonly uid: string;
  readonly kind: string;
  readonly operatorId: string | null;
  readonly maxParallelism: number;
  readonly keyType: string | null;
  readonly delivery: 'exactly-once' | 'at-least-once' | null;
  readonly subtasks: readonly SubtaskMetrics[];
}

export interface AttemptMetrics {
  readonly at: number;
  readonly epoch: number;
  /** Elements read by all sources since the attempt began, and per second over the last interval. */
  readonly elements: number;
  readonly rate: number;
  readonly droppedTimers: number;
  readonly operators: readonly OperatorMetrics[];
}
