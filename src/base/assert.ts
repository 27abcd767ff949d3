/** Thrown when tidemark itself is wrong. Never caught to go on; the process or the attempt ends. */
export class AssertionFailed extends Error {
  constructor(message: string) {
    super(`assertion failed: ${message}`);
    this.name = 'AssertionFailed';
  }
}

/** States something that only a bug of ours can break. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailed(message);
}

/** The value, where only a bug of ours can make it absent. */
export function present<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new AssertionFailed(`${what} is absent`);
  return value;
}

/** Marks a branch the types say cannot be reached. */
export function unreachable(value: never): never {
  throw new AssertionFailed(`unexpected ${JSON.stringify(value)}`);
}
