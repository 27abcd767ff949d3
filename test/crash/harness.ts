/** Real processes of the real command line, started, killed and looked at. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { once } from 'node:events';

/** The project's folder: compiled tests lie in dist/test/<room>. */
export const PROJECT = resolve(import.meta.dirname, '../../..');
const BIN = join(PROJECT, 'bin/tidemark');

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
}

/** A folder of its own for one test, removed at its end. */
export class Sandbox {
  readonly folder = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
  readonly home = join(this.folder, 'home');

  path(name: string): string {
    return join(this.folder, name);
  }

  start(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Running {
    const child = spawn(process.execPath, [BIN, ...args], {
      cwd: PROJECT,
      env: { ...process.env, TIDEMARK_HOME: this.home, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const finished = once(child, 'close').then(([code, signal]) => ({ code, signal, stdout, stderr }));
    return { process: child, finished };
  }

  run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Finished {
    const env = { ...process.env, TIDEMARK_HOME: this.home, ...environment };
    const result = spawnSync(process.execPath, [BIN, ...args], { cwd: PROJECT, env, encoding: 'utf8' });
    return { code: result.status, signal: result.signal, stdout: result.stdout, stderr: result.stderr };
  }

  /** Runs and parses what `--json` prints. */
  json<T>(args: readonly string[]): T {
    const { code, stdout, stderr } = this.run([...args, '--json']);
    if (code !== 0) throw new Error(`tidemark ${args.join(' ')} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
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
  for (let n = 0; n < count; n++) lines.push(JSON.stringify({ key: n % keys, seen: Math.floor(n / keys) + 1 }));
  return lines;
}

/** How two multisets of lines differ, in a few words; empty when they do not. */
export function difference(found: readonly string[], expected: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const line of expected) counts.set(line, (counts.get(line) ?? 0) + 1);
  for (const line of found) counts.set(line, (counts.get(line) ?? 0) - 1);
  const missing = [...counts].filter(([, n]) => n > 0);
  const doubled = [...counts].filter(([, n]) => n < 0);
  if (missing.length + doubled.length === 0) return '';
  const some = (lines: [string, number][]) => lines.slice(0, 3).map(([line]) => line).join(' ');
  return `${missing.length} missing (${some(missing)}), ${doubled.length} doubled or foreign (${some(doubled)})`;
}
