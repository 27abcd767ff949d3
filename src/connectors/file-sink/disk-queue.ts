/**
 * What a writer asks of the disk, one after another, while it goes on: files are created, appended to and synced in the
 * order in which that was asked for.
 *
 * Invariant: after the first failure nothing more is done, and whoever waits or asks for more hears of it.
 */
import { toTidemarkError } from '../../base/errors.js';

export class DiskQueue {
  readonly #doing: string;
  #tail: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;

  /** `doing` is said of what the disk refuses. */
  constructor(doing: string) {
    this.#doing = doing;
  }

  /** Runs after all that was asked for before, unless some of that failed. */
  add(action: () => Promise<void>): void {
    this.#tail = this.#tail.then(async () => {
      if (this.#failure !== undefined) return;
      try {
        await action();
      } catch (error) {
        this.fail(toTidemarkError(error, this.#doing));
      }
    });
  }

  /** Nothing more is done. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** Throws what has failed. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Resolves when all is done, or was left undone. Never rejects. */
  get idle(): Promise<void> {
    return this.#tail;
  }

  /** Resolves when all is done; rejects with what has failed. */
  async settled(): Promise<void> {
    await this.#tail;
    this.check();
  }
}
