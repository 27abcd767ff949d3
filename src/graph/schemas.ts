/** Schemas as definitions give them: in versions, or a Standard Schema (zod, valibot, arktype) as version 1. */
import { type Schema, type StandardSchema, schema } from '../codec/schema.js';

/** A schema in versions, made by `schema(…)`, or a Standard Schema (zod, valibot, arktype) as its version 1. */
export type AnySchema<T> = Schema<T> | StandardSchema<T>;

/** True for a schema in versions, as `schema(…)` makes it. */
export function isSchema(value: unknown): value is Schema<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'upgrade' in value &&
    typeof value.upgrade === 'function' &&
    'check' in value &&
    typeof value.check === 'function'
  );
}

/** True for a Standard Schema; arktype's are functions. */
export function isStandardSchema(value: unknown): value is StandardSchema<unknown> {
  const carrier = typeof value === 'function' || (typeof value === 'object' && value !== null);
  return carrier && '~standard' in value;
}

/** The schema in versions; undefined for what is none. */
export function readSchema(value: unknown): Schema<unknown> | undefined {
  if (isSchema(value)) return value;
  return isStandardSchema(value) ? schema(value) : undefined;
}
