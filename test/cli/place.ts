/** A folder with a home in it, the command line in it, and what savepoints and archives look like to scripts. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endAll } from '../crash/harness.js';
import { COMMAND, environment, PACKAGE, type Result, tidemark } from './command.js';

export const JOBS = join(PACKAGE, 'fixtures', 'jobs');
export const LONG = '1000000';
export const KEYS = 10;

export interface Saved {
  readonly path: string;
  readonly kind: string;
  readonly layout: string;
  readonly digest: string;
  readonly bytes: number;
  readonly checkpointId: number;
}

export interface Snapshot extends Saved {
  readonly job: { readonly id: string; readonly name: string };
  readonly takenAt: string;
  readonly reason: string | null;
  readonly file: string;
}

export interface Entry {
  readonly operator: string;
  readonly state: string;
  readonly keyGroup: number | null;
  readonly key: unknown;
  readonly mapKey?: unknown;
  readonly value: unknown;
}

/** A folder with a home, for one group of tests. */
export class Place {
  cwd = '';

  async make(): Promise<void> {
    this.cwd = await mkdtemp(join(tmpdir(), 'tidemark-archives-'));
  }

  /** No process of a test outlives it. */
  async remove(): Promise<void> {
    endAll(this.path('.tidemark'));
    await rm(this.cwd, { recursive: true, force: true, maxRetries: 5 });
  }

  path(name: string): string {
    return join(this.cwd, name);
  }

  run(...args: string[]): Promise<Result> {
    return tidemark(args, { cwd: this.cwd });
  }

  async json<T>(...args: string[]): Promise<T> {
    const { code, stdout, stderr } = await this.run(...args, '--json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  async rows<T>(...args: string[]): Promise<T[]> {
    const { code, stdout, stderr } = await this.run(...args, '--json');
    assert.equal(code, 0, stderr);
    return stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  }

  /** Starts slow-count in the background, and waits until it has counted something. */
  async count(name: string, ...more: string[]): Promise<void> {
    const params = ['--param', `output=${name}`, '--param', 'rate=2000'];
    const start = [
      'run',
      join(JOBS, 'slow-count.ts'),
      '--name',
      name,
      ...params,
      '--checkpoint-interval',
      '200ms',
      '-d',
    ];
    await this.json(...start, ...(more.length > 0 ? more : ['--param', `count=${LONG}`]));
    await this.json('wait', name, '--until', 'checkpoint');
  }

  /** A bash line in which `tidemark` is the command; its status is that of the first part of the pipe. */
  bash(line: string): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
    const script = `tidemark() { "${process.execPath}" "${COMMAND}" "$@"; }; ${line}; exit \${PIPESTATUS[0]}`;
    const { status, stdout, stderr } = spawnSync('bash', ['-c', script], {
      cwd: this.cwd,
      env: environment(),
      encoding: 'utf8',
      timeout: 60_000,
    });
    return { status, stdout, stderr };
  }
}

export function errorOf({ stderr }: Pick<Result, 'stderr'>): {
  code: string;
  message: string;
  hint?: string;
} {
  return JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '');
}

export async function refused(place: Place, code: number, name: string, ...args: string[]): Promise<string> {
  const result = await place.run(...args, '--json');
  assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
  const error = errorOf(result);
  assert.equal(error.code, name, error.message);
  assert.equal(typeof error.hint, 'string', `${name} has a hint`);
  return `${error.message}\n${error.hint}`;
}

/** Numbers of its one split that an archive has counted. */
export function countedTo(summary: {
  operators: readonly { uid: string; splits: readonly { position: unknown }[] }[];
}): number {
  const position = summary.operators.find(({ uid }) => uid === 'numbers')?.splits[0]?.position;
  assert.ok(typeof position === 'object' && position !== null && 'done' in position);
  return Number(position.done);
}
