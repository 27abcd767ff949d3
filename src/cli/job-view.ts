/** Tells people what a job in the foreground does: a line that is redrawn, and lines for what matters. */
import { formatDuration } from '../base/duration.js';
import { formatBytes } from '../base/size.js';
import type { JobRecord } from '../catalog/records.js';
import type { RunnerEvent } from '../job/events.js';
import type { AttemptMetrics } from '../job/metrics.js';
import { whereLines } from './exit.js';
import type { Printer } from './printer.js';
import { count, counted } from './text.js';

/** At most ten times a second. */
const REDRAW_INTERVAL = 100;

/** What the live line shows. */
export interface Progress {
  readonly name: string;
  readonly metrics: AttemptMetrics | undefined;
  readonly last: { readonly id: number; readonly bytes: number; readonly at: number } | undefined;
  readonly restarts: number;
  /** Instead of numbers: what the job is about. */
  readonly phase: string | undefined;
}

export class JobView {
  readonly #printer: Printer;
  readonly #now: () => number;
  readonly #startedAt: number;
  /** The archive it was restored from. */
  readonly #origin: string | undefined;
  #progress: Progress;
  #timer: NodeJS.Timeout | undefined;
  #checkpoints = 0;
  #metrics: (() => AttemptMetrics | undefined) | undefined;

  constructor(job: JobRecord, printer: Printer, now: () => number) {
    this.#printer = printer;
    this.#now = now;
    this.#startedAt = now();
    this.#origin = job.origin?.path;
    this.#progress = { name: job.name, metrics: undefined, last: undefined, restarts: 0, phase: 'starting' };
  }

  /** Draws until `stop`, where somebody watches. */
  start(metrics: () => AttemptMetrics | undefined): void {
    this.#metrics = metrics;
    if (this.#printer.watched) this.#timer = setInterval(() => this.#draw(), REDRAW_INTERVAL);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#read();
    this.#printer.live(undefined);
  }

  /** What the job is about, instead of its numbers. */
  phase(text: string): void {
    this.#progress = { ...this.#progress, phase: text };
  }

  readonly event = (event: RunnerEvent): void => {
    const { name } = this.#progress;
    switch (event.type) {
      case 'running': {
        const from =
          event.fromCheckpoint === undefined
            ? (this.#origin ?? 'the beginning')
            : `checkpoint ${event.fromCheckpoint}`;
        this.#progress = { ...this.#progress, phase: undefined };
        this.#printer.note(`${name} runs from ${from}`);
        return;
      }
      case 'checkpoint':
        this.#checkpoints++;
        this.#progress = { ...this.#progress, last: { id: event.id, bytes: event.bytes, at: this.#now() } };
        return;
      case 'merge':
        // In the log; no news for who watches.
        return;
      case 'checkpoint-failed':
        this.#printer.warn(`checkpoint ${event.id} failed: ${event.error.message}`);
        return;
      case 'failure':
        // Without a restart the job ends, and how it ended is told then.
        if (event.restartInMs === null) return;
        this.#progress = { ...this.#progress, restarts: this.#progress.restarts + 1, phase: 'restarting' };
        this.#printer.warn(
          [
            `${name} failed: ${event.error.message}`,
            ...whereLines(event.error),
            `  restarting in ${formatDuration(event.restartInMs)}`,
          ].join('\n'),
        );
        return;
      case 'log':
        this.#printer.note(event.text.replace(/\n$/, ''));
        return;
      default:
        return;
    }
  };

  /** `1,234 elements, 3 checkpoints, 1 restart, in 12s`, of this run. */
  summary(): string {
    const { metrics, restarts } = this.#progress;
    return [
      ...(metrics === undefined ? [] : [counted(metrics.elements, 'element')]),
      counted(this.#checkpoints, 'checkpoint'),
      ...(restarts === 0 ? [] : [counted(restarts, 'restart')]),
      `in ${formatDuration(this.#now() - this.#startedAt)}`,
    ].join(', ');
  }

  #read(): void {
    const metrics = this.#metrics?.();
    if (metrics !== undefined) this.#progress = { ...this.#progress, metrics };
  }

  #draw(): void {
    this.#read();
    this.#printer.live(progressLine(this.#progress, this.#now()));
  }
}

/** `word-count · 1,234,567 elements · 12,345/s · checkpoint 5 (2s ago, 1.2 MiB) · 1 restart` */
export function progressLine({ name, metrics, last, restarts, phase }: Progress, now: number): string {
  const parts = [name];
  if (phase !== undefined) parts.push(phase);
  if (metrics !== undefined) parts.push(counted(metrics.elements, 'element'), `${count(metrics.rate)}/s`);
  if (last !== undefined) {
    const seconds = Math.max(0, Math.floor((now - last.at) / 1_000));
    parts.push(
      `checkpoint ${last.id} (${formatDuration(seconds * 1_000).replace('0ms', '0s')} ago, ${formatBytes(last.bytes)})`,
    );
  }
  if (restarts > 0) parts.push(counted(restarts, 'restart'));
  return parts.join(' · ');
}
