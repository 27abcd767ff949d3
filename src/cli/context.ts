/** What every command is given: what was typed, and its way to the outside. */
import type { Clock } from '../base/clock.js';
import type { Printer } from './printer.js';

export interface Context {
  readonly printer: Printer;
  /** The value of `--home`. */
  readonly home: string | undefined;
  readonly cwd: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
}

/** What was typed for one command. Options are asked for by their long name without the dashes. */
export class Given {
  readonly operands: readonly string[];
  readonly #options: Readonly<Record<string, unknown>>;

  constructor(operands: readonly string[], options: Readonly<Record<string, unknown>>) {
    this.operands = operands;
    this.#options = options;
  }

  text(name: string): string | undefined {
    const value = this.#value(name);
    return typeof value === 'string' ? value : undefined;
  }

  flag(name: string): boolean {
    return this.#value(name) === true;
  }

  list(name: string): readonly string[] {
    const value = this.#value(name);
    return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : [];
  }

  #value(name: string): unknown {
    return this.#options[name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())];
  }
}

/** A command's module: `run` does it and gives the exit code. */
export interface CommandModule {
  run(given: Given, context: Context): Promise<number>;
}
