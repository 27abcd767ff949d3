/**
 * The schema of the elements of two streams that are kept together, each with its side. A snapshot records one version for
 * both: that of the pair (version of the left, version of the right), counted along diagonals,
 *
 *               right 1   2   3
 *      left 1         1   3   6
 *           2         2   5   9        so that a version more on either side is a greater number
 *           3         4   8  13
 */
import { ValueRefused } from '../codec/codec.js';
import { refusedWithin, type Schema, unchecked } from '../codec/schema.js';
import { LEFT, RIGHT, type Tagged } from './join.js';

/** The version of a pair of versions. */
export function pairVersion(left: number, right: number): number {
  const diagonal = left + right - 2;
  return (diagonal * (diagonal + 1)) / 2 + right;
}

/** The pair of versions that a version stands for. */
export function versionPair(version: number): readonly [left: number, right: number] {
  let diagonal = 0;
  while (pairVersion(1, diagonal + 1) < version) diagonal++;
  const right = version - (diagonal * (diagonal + 1)) / 2;
  return [diagonal + 2 - right, right];
}

/** Undefined where neither side has one. */
export function taggedSchema(
  left: Schema<unknown> | undefined,
  right: Schema<unknown> | undefined,
): Schema<Tagged> | undefined {
  return left === undefined && right === undefined
    ? undefined
    : new TaggedSchema(left ?? unchecked(), right ?? unchecked());
}

class TaggedSchema implements Schema<Tagged> {
  readonly #left: Schema<unknown>;
  readonly #right: Schema<unknown>;

  constructor(left: Schema<unknown>, right: Schema<unknown>) {
    this.#left = left;
    this.#right = right;
  }

  get version(): number {
    return pairVersion(this.#left.version, this.#right.version);
  }

  /** Versions are those of the two sides. */
  next(): never {
    throw new TypeError('the schema of a pair has no next version of its own');
  }

  upgrade(value: unknown, version: number): Tagged {
    // Both sides may have one schema, and have had it in different versions.
    const versions = versionPair(version);
    return this.#of(value, (schema, element, side) => schema.upgrade(element, versions[side]));
  }

  check(value: unknown): Tagged {
    return this.#of(value, (schema, element) => schema.check(element));
  }

  #of(value: unknown, read: (schema: Schema<unknown>, element: unknown, side: Tagged[0]) => unknown): Tagged {
    if (!Array.isArray(value) || value.length !== 2 || (value[0] !== LEFT && value[0] !== RIGHT))
      throw new ValueRefused('expected the side of an element, 0 or 1, and the element');
    const [side, element] = value as unknown as Tagged;
    try {
      return [side, read(side === LEFT ? this.#left : this.#right, element, side)];
    } catch (error) {
      throw refusedWithin(error, '[1]');
    }
  }
}
