/**
 * What flows into what. One operator instance stands for one subtask of one graph node; instances call each other
 * directly, so an element has passed through everything below when `push` returns.
 *
 * Duties of `push`: process the element wholly or throw; never keep a promise; count it.
 * Duties of the caller: one element at a time, never from within another thread, and after a throw never again.
 */
export interface Input {
  push(value: unknown): void;
}

/** An input that belongs to a keyed operator: the caller has normalised and hashed the key and found the owner. */
export interface KeyedInput {
  pushKeyed(value: unknown, key: unknown, group: number, hash: number): void;
}

/** Elements in and out of one subtask, since the attempt began. */
export interface Counted {
  in: number;
  out: number;
}

class FanOut implements Input {
  readonly #targets: readonly Input[];

  constructor(targets: readonly Input[]) {
    this.#targets = targets;
  }

  push(value: unknown): void {
    for (const target of this.#targets) target.push(value);
  }
}

const NOWHERE: Input = { push() {} };

/** One input for many: nothing, the one itself, or all in graph order. */
export function fanOut(targets: readonly Input[]): Input {
  const [only] = targets;
  if (only === undefined) return NOWHERE;
  return targets.length === 1 ? only : new FanOut(targets);
}

/** True for what an async function returns. */
export function isPromise(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
