/** Runs `bin/tidemark` as a shell would. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const PACKAGE = fileURLToPath(new URL('../../../', import.meta.url));
export const COMMAND = fileURLToPath(new URL('../../../bin/tidemark', import.meta.url));

export interface Result {
  /** The exit code; a signal's name when one ended it. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Options {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A command that runs. */
export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Result>;
  stdout = '';
  stderr = '';
  #seen: () => void = () => {};

  constructor(args: readonly string[], { cwd, env }: Options) {
    this.child = spawn(process.execPath, [COMMAND, ...args], {
      cwd,
      env: environment(env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#seen();
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#seen();
    });
    this.ended = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('close', (code, signal) => {
        resolve({ code: code ?? signal ?? 'none', stdout: this.stdout, stderr: this.stderr });
        this.#seen();
      });
    });
  }

  /** Resolves once the pattern stands in what it has written; rejects when it ends without. */
  async says(pattern: RegExp, where: 'stdout' | 'stderr' = 'stderr'): Promise<void> {
    while (!pattern.test(this[where])) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`it ended without saying ${pattern}: ${this.stderr}`);
      }
      await new Promise<void>((resolve) => {
        this.#seen = resolve;
      });
    }
  }
}

export function tidemark(args: readonly string[], options: Options): Promise<Result> {
  return new Running(args, options).ended;
}

/** Nothing of the caller's own home, colours or certificates. */
export function environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { TIDEMARK_HOME: _home, NODE_EXTRA_CA_CERTS: _certs, FORCE_COLOR: _colour, ...rest } = process.env;
  return { ...rest, ...more };
}
