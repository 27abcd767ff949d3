/** What is wrong with something that was asked for: all of it is collected, and thrown as one error. */
import { type ErrorCode, TidemarkError } from '../base/errors.js';

/** Findings shown; the others are counted. */
export const MAX_SHOWN = 50;

export class Findings {
  readonly #messages: string[] = [];
  readonly #codes = new Set<ErrorCode>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(code: ErrorCode, message: string): void {
    this.#count++;
    this.#codes.add(code);
    if (this.#messages.length < MAX_SHOWN) this.#messages.push(message);
  }

  /** Counts findings of a kind that was added before. */
  addMore(count: number): void {
    this.#count += count;
  }

  /** @throws TidemarkError with the code that all have, else USAGE; `what` is the beginning of a list of several */
  throwIfAny(what: string, hint: string): void {
    if (this.#count === 0) return;
    const [first = 'USAGE', ...others] = this.#codes;
    const [only = ''] = this.#messages;
    const more = this.#count - this.#messages.length;
    const lines = more > 0 ? [...this.#messages, `and ${more} more`] : this.#messages;
    const message = this.#count === 1 ? only : `${what}: ${this.#count} findings\n${lines.join('\n')}`;
    throw new TidemarkError(others.length === 0 ? first : 'USAGE', message, { hint });
  }
}
