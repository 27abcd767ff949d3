/** The job's log: bounded, plain lines, kept across attempts; the older half lies beside it as `log.1`. */
import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';
import type { Clock } from '../base/clock.js';

/** Bytes after which the log is turned over. */
const MAX_BYTES = 8 * 1024 * 1024;
/** The longest line kept. */
const MAX_LINE = 16 * 1024;

export class JobLog {
  readonly #path: string;
  readonly #clock: Clock;
  #file: number;
  #bytes: number;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#file = openSync(path, 'a', 0o600);
    this.#bytes = fstatSync(this.#file).size;
  }

  /** Adds one or several lines, each with the time. A log that cannot be written never harms the job. */
  write(text: string): void {
    const time = new Date(this.#clock.now()).toISOString();
    const lines = text.replace(/\n$/, '').split('\n');
    const bytes = Buffer.from(lines.map((line) => `${time} ${line.slice(0, MAX_LINE)}\n`).join(''));
    try {
      if (this.#bytes + bytes.length > MAX_BYTES) this.#turnOver();
      this.#bytes += writeSync(this.#file, bytes);
    } catch {
      // A full disk shows where it matters: at the next checkpoint.
    }
  }

  close(): void {
    closeSync(this.#file);
  }

  #turnOver(): void {
    renameSync(this.#path, `${this.#path}.1`);
    closeSync(this.#file);
    this.#file = openSync(this.#path, 'a', 0o600);
    this.#bytes = 0;
  }
}
