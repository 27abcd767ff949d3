/**
 * A schema: what a value must look like, in one version or several, and the typed steps between them.
 *
 *     schema(A).next(B, (a) => b).next(C, (b) => c)     version 1 → 2 → 3
 *
 * Any Standard Schema (https://standardschema.dev: zod, valibot, arktype) will do for a version. Stored values
 * carry the version they were written with; `upgrade` brings one to the newest, step by step.
 */
import { thrown, ValueRefused } from './codec.js';
import { nameInPath } from './value-write.js';

/** The part of Standard Schema v1 that is used here. */
export interface StandardSchema<T> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<T> | Promise<StandardResult<T>>;
    readonly types?: { readonly input: unknown; readonly output: T } | undefined;
  };
}

export type StandardResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | {
      readonly issues: ReadonlyArray<{
        readonly message: string;
        readonly path?: readonly unknown[] | undefined;
      }>;
    };

export interface Schema<T> {
  readonly version: number;
  /** The next version: how it looks and how a value of this version becomes one. */
  next<U>(standard: StandardSchema<U>, step: (value: T) => U): Schema<U>;
  /**
   * A value written with `version`, brought to the newest: checked as what it was and again after each step. Throws
   * {@link ValueRefused}, of which {@link StepFailed} says that a step threw.
   */
  upgrade(value: unknown, version: number): T;
  /** Checks a value of the newest version. Throws {@link ValueRefused}. */
  check(value: unknown): T;
  readonly schemaOf?: T;
}

/** A step between two versions that threw; `cause` is what. */
export class StepFailed extends ValueRefused {
  /** The version that the value was of. */
  readonly from: number;

  /** `path`: to what was to make the step. */
  constructor(from: number, cause: unknown, path = '') {
    super(`step ${stepName(from)} threw: ${thrown(cause)}`, path, cause);
    this.name = 'StepFailed';
    this.from = from;
  }
}

/** What a part of a value was refused for, as a refusal of the value: `path` leads to the part. */
export function refusedWithin(error: unknown, path: string): unknown {
  if (error instanceof StepFailed) return new StepFailed(error.from, error.cause, `${path}${error.path}`);
  if (!(error instanceof ValueRefused)) return error;
  return new ValueRefused(error.reason, `${path}${error.path}`, error.cause);
}

/** How messages call the step from a version to the next. */
export function stepName(from: number): string {
  return `v${from}→v${from + 1}`;
}

interface Version {
  readonly standard: StandardSchema<unknown> | undefined;
  readonly step: ((value: never) => unknown) | undefined;
}

class VersionedSchema<T> implements Schema<T> {
  readonly #versions: readonly Version[];

  constructor(versions: readonly Version[]) {
    this.#versions = versions;
  }

  get version(): number {
    return this.#versions.length;
  }

  next<U>(standard: StandardSchema<U>, step: (value: T) => U): Schema<U> {
    return new VersionedSchema<U>([...this.#versions, { standard, step }]);
  }

  upgrade(value: unknown, version: number): T {
    if (!Number.isInteger(version) || version < 1 || version > this.version) {
      throw new ValueRefused(`version ${version} is not one of 1 to ${this.version}`);
    }
    let current = this.#checkAs(version, value);
    for (let v = version; v < this.version; v++) current = this.#checkAs(v + 1, this.#step(v, current));
    return current as T;
  }

  check(value: unknown): T {
    return check(this.#versions[this.version - 1]?.standard, value) as T;
  }

  #step(from: number, value: unknown): unknown {
    const step = this.#versions[from]?.step;
    if (step === undefined) return value;
    try {
      return step(value as never);
    } catch (error) {
      throw new StepFailed(from, error);
    }
  }

  #checkAs(version: number, value: unknown): unknown {
    if (version === this.version) return this.check(value);
    try {
      return check(this.#versions[version - 1]?.standard, value);
    } catch (error) {
      if (!(error instanceof ValueRefused)) throw error;
      throw new ValueRefused(
        `not as version ${version} of its schema: ${error.reason}`,
        error.path,
        error.cause,
      );
    }
  }
}

function check(standard: StandardSchema<unknown> | undefined, value: unknown): unknown {
  if (standard === undefined) return value;
  const result = validate(standard, value);
  if (result instanceof Promise) {
    // zod tries again later what threw; nobody waits for that.
    result.catch(() => undefined);
    throw new ValueRefused('the schema is asynchronous, or one of its functions threw');
  }
  if (result.issues === undefined) return result.value;
  const [issue] = result.issues;
  throw new ValueRefused(issue?.message ?? 'does not match its schema', pathOf(issue?.path));
}

/** A schema may have functions of the user's in it. */
function validate(standard: StandardSchema<unknown>, value: unknown) {
  try {
    return standard['~standard'].validate(value);
  } catch (error) {
    throw new ValueRefused(`the schema threw: ${thrown(error)}`, '', error);
  }
}

/** Version 1 of a schema. */
export function schema<T>(standard: StandardSchema<T>): Schema<T> {
  return new VersionedSchema<T>([{ standard, step: undefined }]);
}

/** A schema that accepts everything: for what tidemark itself writes and checks by other means. */
export function unchecked<T>(): Schema<T> {
  return new VersionedSchema<T>([{ standard: undefined, step: undefined }]);
}

function pathOf(path: readonly unknown[] | undefined): string {
  if (path === undefined) return '';
  const keys = path.map((part) =>
    typeof part === 'object' && part !== null && 'key' in part ? part.key : part,
  );
  return keys.map((key) => (typeof key === 'number' ? `[${key}]` : nameInPath(String(key)))).join('');
}
