/**
 * Starts the process of a detached job, and learns from it whether the job runs.
 *
 * Invariants: the process outlives the terminal and the command (it leads a session of its own and holds none of
 * the command's descriptors); what it writes goes to the job's files; the command waits a bounded time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ErrorRecord, TidemarkError } from '../base/errors.js';
import type { HomePaths } from '../base/home.js';
import type { JobRecord } from '../catalog/records.js';

/** What the job's process says to the command that started it, over Node's channel between the two. */
export type DetachedMessage =
  | { readonly type: 'running' }
  /** The job has ended, one way or another; how stands in the catalog. */
  | { readonly type: 'ended' }
  /** An attempt failed before the job ran; another one follows. */
  | { readonly type: 'failure'; readonly error: ErrorRecord }
  /** The job could not be started at all. */
  | { readonly type: 'refused'; readonly error: ErrorRecord };

export interface DetachOptions {
  readonly home: HomePaths;
  readonly job: JobRecord;
  readonly environment: NodeJS.ProcessEnv;
  /** Milliseconds to wait for the job to run. */
  readonly patienceMs: number;
  /** See `RunnerOptions.trial`. */
  readonly trial?: boolean;
}

/** `starting`: it had not run in time; `lastFailure` says why, when attempts have failed meanwhile. */
export type DetachOutcome =
  | { readonly type: 'running' | 'ended' }
  | { readonly type: 'starting'; readonly lastFailure: ErrorRecord | undefined };

const COMMAND = fileURLToPath(new URL('../../../bin/tidemark', import.meta.url));

/** Rejects with the job's error when it cannot be started, and with JOB_FAILED when its process dies at once. */
export async function detach(options: DetachOptions): Promise<DetachOutcome> {
  const child = start(options);
  try {
    return await firstNews(child, options);
  } finally {
    if (child.connected) child.disconnect();
    child.unref();
  }
}

function start({ home, job, environment, trial }: DetachOptions): ChildProcess {
  const files = home.job(job.id);
  const stdout = openSync(files.stdout, 'a', 0o600);
  const log = openSync(files.log, 'a', 0o600);
  try {
    const given = trial === true ? ['--trial'] : [];
    return spawn(process.execPath, [COMMAND, '__job', job.id, '--home', home.root, ...given], {
      cwd: home.root,
      detached: true,
      env: environment,
      stdio: ['ignore', stdout, log, 'ipc'],
    });
  } finally {
    closeSync(stdout);
    closeSync(log);
  }
}

function firstNews(child: ChildProcess, { job, patienceMs }: DetachOptions): Promise<DetachOutcome> {
  return new Promise((resolve, reject) => {
    let lastFailure: ErrorRecord | undefined;
    const patience = setTimeout(() => resolve({ type: 'starting', lastFailure }), patienceMs);
    const settle = (action: () => void) => {
      clearTimeout(patience);
      action();
    };
    child.on('message', (message: DetachedMessage) => {
      if (message.type === 'failure') lastFailure = message.error;
      else if (message.type === 'refused') settle(() => reject(TidemarkError.fromRecord(message.error)));
      else settle(() => resolve({ type: message.type }));
    });
    child.on('error', (error) => settle(() => reject(error)));
    child.on('exit', (code, signal) => settle(() => reject(died(job, code, signal))));
  });
}

function died(job: JobRecord, code: number | null, signal: string | null): TidemarkError {
  const how = signal === null ? `exit code ${code}` : signal;
  return new TidemarkError(
    'JOB_FAILED',
    `the process of ${job.name} (${job.id}) died as it started: ${how}`,
    {
      hint: `tidemark logs ${job.name}`,
    },
  );
}
