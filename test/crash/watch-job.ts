/** Looks at a running job again and again through its control socket, and at what its process takes. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { present } from '../../src/base/assert.js';
import { systemCode } from '../../src/base/errors.js';
import { homePaths } from '../../src/base/home.js';
import { callControl } from '../../src/control/client.js';
import type { Sandbox, Status } from './harness.js';

const LOOK_EVERY = 50;
/** Milliseconds that one answer, and all that is waited for, may take before the test gives up. */
const ANSWER = 30_000;
const PATIENCE = 900_000;

/** The most that was seen. */
export interface Peaks {
  /** Resident memory, as the kernel counts it. */
  rssKiB: number;
  files: number;
  segments: number;
  /** Of the folder of segments, unfinished ones included. */
  diskBytes: number;
  /** Of the control channel. */
  slowestAnswerMs: number;
}

export class Watch {
  readonly pid: number;
  readonly peaks: Peaks = { rssKiB: 0, files: 0, segments: 0, diskBytes: 0, slowestAnswerMs: 0 };
  readonly #socket: string;
  readonly #segments: string;

  constructor(sandbox: Sandbox, job: string) {
    const { pid, socket } = sandbox.status(job);
    this.pid = present(pid, `the process of ${job}`);
    this.#socket = present(socket, `the socket of ${job}`);
    this.#segments = homePaths(sandbox.home).segments;
  }

  /** Looks until `enough`; gives what the job said then. */
  async until(what: string, enough: (status: Status) => boolean): Promise<Status> {
    const end = Date.now() + PATIENCE;
    for (;;) {
      const status = await this.look();
      if (enough(status)) return status;
      if (status.state !== 'running')
        throw new Error(`${status.state}, not ${what}: ${status.error?.message}`);
      if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
    }
  }

  /** Until the job has had `count` numbers. */
  async position(count: number): Promise<Status> {
    return await this.until(`position ${count}`, (status) => positionOf(status) >= count);
  }

  async look(): Promise<Status> {
    const asked = performance.now();
    const status = (await callControl(this.#socket, 'GET', '/v1/status', undefined, ANSWER)) as Status;
    this.#peak('slowestAnswerMs', Math.round(performance.now() - asked));
    this.#peak('segments', status.store?.segments ?? 0);
    this.#peak('diskBytes', folderBytes(this.#segments));
    this.#peak(
      'rssKiB',
      Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]),
    );
    this.#peak('files', readdirSync(`/proc/${this.pid}/fd`).length);
    return status;
  }

  /** Looks while something is done, for the peaks. */
  async during<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const ended = work.finally(() => {
      done = true;
    });
    ended.catch(() => undefined);
    while (!done) {
      await this.look();
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
    }
    return await ended;
  }

  #peak(name: keyof Peaks, found: number): void {
    this.peaks[name] = Math.max(this.peaks[name], found);
  }
}

/** How many numbers the job has had in all, restored ones included; its source has one split. */
function positionOf(status: Status): number {
  const splits = status.operators.flatMap(({ subtasks }) => subtasks.flatMap(({ splits }) => splits));
  return (splits[0]?.position as { readonly done: number } | undefined)?.done ?? 0;
}

function folderBytes(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + fileBytes(join(folder, name)), 0);
}

/** Segments come and go. */
function fileBytes(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 0;
    throw error;
  }
}
