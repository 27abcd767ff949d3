/**
 * A schema: what a value must look like, in one version or several, and the typed steps between them.
 *
 *     schema(A).next(B, (a) => b).next(C, (b) => c)     version 1 → 2 → 3
 *
 * Any Standard Schema (https://standardschema.dev: zod, valibot, arktype) will do for a version. Stored values
 * carry the version they were written with; `upgrade` brings one to the newest, step by step.
 */
import { ValueRefused } from './codec.js';

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
  /** A value written with `version`, checked and brought to the newest. Throws {@link ValueRefused}. */
  upgrade(value: unknown, version: number): T;
  /** Checks a value of the newest version. Throws {@link ValueRefused}. */
  check(value: unknown): T;
  readonly schemaOf?: T;
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
    let current = value;
    for (let v = version + 1; v <= this.version; v++) {
      const step = this.#versions[v - 1]?.step;
      if (step !== undefined) current = step(current as never);
    }
    return this.check(current);
  }

  check(value: unknown): T {
    const standard = this.#versions[this.version - 1]?.standard;
    if (standard === undefined) return value as T;
    const result = standard['~standard'].validate(value);
    if (result instanceof Promise) throw new ValueRefused('an asynchronous schema cannot check state');
    if (result.issues === undefined) return result.value as T;
    const [issue] = result.issues;
    throw new ValueRefused(issue?.message ?? 'does not match its schema', pathOf(issue?.path));
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
  return keys.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
}
