import { TidemarkError } from '../base/errors.js';
import type { SinkSpec } from '../graph/sink.js';

interface Output {
  readonly elements: unknown[];
  /** How many of them have been taken. */
  taken: number;
}

/** What reached the ends of a dataflow under test, by name. */
export class Outputs {
  /** What an end is called in errors. */
  readonly #what: string;
  readonly #outputs = new Map<string, Output>();

  constructor(what: string) {
    this.#what = what;
  }

  /** A sink that puts what reaches it under a name. */
  capture(name: string): SinkSpec<unknown, unknown> {
    const output: Output = { elements: [], taken: 0 };
    this.#outputs.set(name, output);
    return {
      kind: 'captured',
      open: () => ({ write: (elements) => void output.elements.push(...elements) }),
    };
  }

  all(name: string): readonly unknown[] {
    return this.#find(name).elements;
  }

  /** What has come since it was last asked for. */
  take(name: string): readonly unknown[] {
    const output = this.#find(name);
    const fresh = output.elements.slice(output.taken);
    output.taken = output.elements.length;
    return fresh;
  }

  #find(name: string): Output {
    const output = this.#outputs.get(name);
    if (output !== undefined) return output;
    const names = [...this.#outputs.keys()].filter((one) => one !== '');
    const message = name === '' ? `no main ${this.#what}` : `no ${this.#what} ${name}`;
    throw new TidemarkError('USAGE', `${message}; there are: ${names.join(', ') || 'none by name'}`);
  }
}
