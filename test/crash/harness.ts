/** Real processes of the real command line, started, killed and looked at. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ErrorRecord } from '../../src/base/errors.js';
import { isLocked, lockInfo } from '../../src/catalog/lock.js';
import type { StatusDocument } from '../../src/job/status.js';

/** The project's folder: compiled tests lie in dist/test/<room>. */
export const PROJECT = resolve(import.meta.dirname, '../../..');
export const COMMAND = join(PROJECT, 'bin/tidemark');

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process under way. */
export interface Running {
  readonly process: ChildProcess;
  readonly finished: Promise<Finished>;
  /** What it has written to stderr so far. */
  stderr(): string;
  /** Resolves once the pattern stands in its stderr; rejects when it ends without. */
  says(pattern: RegExp): Promise<void>;
}

/** What scripts read of a job: `list --json`, and with it `status --json`. */
export type Status = StatusDocument;

/** Milliseconds that anything awaited may take before the test gives up. */
const PATIENCE = 60_000;
const LOOK_EVERY = 25;
/** Milliseconds after which a process that should have ended is killed, so that a test fails and does not hang. */
const LIFETIME = process.env['TIDEMARK_TEST_LONG'] === '1' ? 1_800_000 : 180_000;

/** Bytes that a command may print: on a slow machine a job has come further, and more is inspected. */
const MAX_OUTPUT = 64 * 1024 * 1024;

type Environment = Readonly<Record<string, string>>;

/** A folder of its own for one test, removed at its end, with all that was started in it. */
export class Sandbox {
  readonly folder = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
  readonly home: string;
  readonly #children = new Set<ChildProcess>();

  constructor(home = 'home') {
    this.home = join(this.folder, home);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  start(args: readonly string[], environment: Environment = {}): Running {
    return this.spawn(process.execPath, [COMMAND, ...args], environment);
  }

  /** Any other program, with the sandbox's environment. */
  spawn(command: string, args: readonly string[], environment: Environment = {}): Running {
    const child = spawn(command, args, {
      cwd: PROJECT,
      env: this.#environment(environment),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.add(child);
    const limit = setTimeout(() => child.kill('SIGKILL'), LIFETIME);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const finished = once(child, 'close').then(([code, signal]) => {
      this.#children.delete(child);
      clearTimeout(limit);
      return { code, signal, stdout, stderr };
    });
    const says = (pattern: RegExp) =>
      eventually(`${args.join(' ')} says ${pattern}`, () => {
        if (pattern.test(stderr)) return true;
        const ended = child.exitCode !== null || child.signalCode !== null;
        if (ended) throw new Error(`${args.join(' ')} ended without saying ${pattern}: ${stderr}`);
        return undefined;
      }).then(() => undefined);
    return { process: child, finished, stderr: () => stderr, says };
  }

  run(args: readonly string[], environment: Environment = {}): Finished {
    const result = spawnSync(process.execPath, [COMMAND, ...args], {
      cwd: PROJECT,
      env: this.#environment(environment),
      encoding: 'utf8',
      timeout: LIFETIME,
      maxBuffer: MAX_OUTPUT,
    });
    return { code: result.status, signal: result.signal, stdout: result.stdout, stderr: result.stderr };
  }

  /** Runs and parses what `--json` prints. */
  json<T>(args: readonly string[]): T {
    const { code, stdout, stderr } = this.run([...args, '--json']);
    if (code !== 0) throw new Error(`tidemark ${args.join(' ')} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  status(job: string): Status {
    return this.json<Status>(['status', job]);
  }

  /** Ends what still runs, detached jobs too, and removes the folder. */
  remove(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    endAll(this.home);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #environment(more: Environment): NodeJS.ProcessEnv {
    // The first two are the caller's own; certificates cost every start of Node 20 some 40 ms.
    const {
      TIDEMARK_HOME: _home,
      TIDEMARK_FAILPOINT: _point,
      NODE_EXTRA_CA_CERTS: _certs,
      ...rest
    } = process.env;
    return { ...rest, TIDEMARK_HOME: this.home, ...more };
  }
}

/** Ends the processes that hold the lock of a job of a home. */
export function endAll(home: string): void {
  const jobs = join(home, 'jobs');
  const locks = existsSync(jobs) ? readdirSync(jobs).map((id) => join(jobs, id, 'lock.db')) : [];
  for (const lock of locks.filter(isLocked)) {
    try {
      process.kill(Number(lockInfo(lock)?.['pid']), 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
}

/** Looks again and again until `look` gives something; rejects after a minute, or with what `look` throws. */
export async function eventually<T>(what: string, look: () => T | undefined | false): Promise<T> {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
  }
}

/** The error that a command under `--json` ended with: the last line of its stderr. */
export function errorOf({ stderr, code }: Finished): ErrorRecord & { readonly type: string } {
  const last = stderr.trimEnd().split('\n').at(-1) ?? '';
  if (!last.startsWith('{')) throw new Error(`exit ${code} without an error document: ${stderr}`);
  return JSON.parse(last);
}

/** Whatever the file sink at `folder` has committed, at least `count` lines of it; rejects when `job` ends before. */
export function committed(folder: string, count: number, job?: Running): Promise<string[]> {
  return eventually(`${count} lines in ${folder}`, () => {
    const ended = job?.process.exitCode ?? job?.process.signalCode ?? undefined;
    const lines = committedLines(folder);
    if (lines.length >= count) return lines;
    if (ended !== undefined)
      throw new Error(`ended with ${ended} at ${lines.length} lines: ${job?.stderr()}`);
    return undefined;
  });
}

/** Every committed line of a file sink, in no particular order. */
export function committedLines(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  const parts = names.filter((name) => name.startsWith('part-'));
  return parts.flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1));
}

/** What a keyed count over 0 … count−1 by n mod keys emits: for each key 1, 2, 3, … */
export function countedLines(count: number, keys: number): string[] {
  const lines: string[] = [];
  for (let n = 0; n < count; n++)
    lines.push(JSON.stringify({ key: n % keys, seen: Math.floor(n / keys) + 1 }));
  return lines;
}

/** What is wrong with lines of a keyed count that goes on: for each key 1, 2, 3, … once each; empty when nothing. */
export function miscounted(lines: readonly string[]): string {
  const seen = new Map<number, number[]>();
  for (const line of lines) {
    const row = JSON.parse(line) as { key: number; seen: number };
    seen.set(row.key, [...(seen.get(row.key) ?? []), row.seen]);
  }
  const wrong = [...seen].filter(([, counts]) => counts.sort((a, b) => a - b).some((n, at) => n !== at + 1));
  return wrong.map(([key, counts]) => `key ${key} has ${counts.length} lines up to ${counts.at(-1)}`).join();
}

/** How two multisets of lines differ, in a few words; empty when they do not. */
export function difference(found: readonly string[], expected: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const line of expected) counts.set(line, (counts.get(line) ?? 0) + 1);
  for (const line of found) counts.set(line, (counts.get(line) ?? 0) - 1);
  const missing = [...counts].filter(([, n]) => n > 0);
  const doubled = [...counts].filter(([, n]) => n < 0);
  if (missing.length + doubled.length === 0) return '';
  const some = (lines: [string, number][]) =>
    lines
      .slice(0, 3)
      .map(([line]) => line)
      .join(' ');
  return `${missing.length} missing (${some(missing)}), ${doubled.length} doubled or foreign (${some(doubled)})`;
}
