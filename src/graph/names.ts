/**
 * What jobs, operators, states, timers, sides and parameters may be called.
 *
 * uids and state names end up in `uid.name` (inspect), `job@CHECKPOINT` and paths (operands), so none of
 * them may contain `.`, `@` or `/`. Job names are stricter: they are typed on command lines and name folders.
 */

/** The longest uid or state name, in UTF-8 bytes. */
export const MAX_NAME_BYTES = 200;

const JOB_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;
const PARAM_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;
const RESERVED = /[.@/]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** Why this cannot be a job's name; undefined when it can. */
export function jobNameProblem(name: unknown): string | undefined {
  if (typeof name === 'string' && JOB_NAME.test(name)) return undefined;
  return `job name ${show(name)}: expected 1 to 63 letters, digits, _ or -, the first a letter or digit`;
}

/** Why this cannot be a parameter's name (`--param NAME=VALUE`); undefined when it can. */
export function paramNameProblem(name: string): string | undefined {
  if (PARAM_NAME.test(name)) return undefined;
  return `parameter ${show(name)}: expected 1 to 63 letters, digits, _ or -, the first a letter or _`;
}

/** Why this cannot name a `what` (`uid`, `state`, `timer`, …); undefined when it can. */
export function nameProblem(what: string, name: unknown): string | undefined {
  if (typeof name !== 'string') return `${what} ${show(name)}: expected text`;
  if (name.trim() !== name || name === '')
    return `${what} ${show(name)}: is empty or has space at its beginning or end`;
  if (RESERVED.test(name)) return `${what} ${show(name)}: contains one of . @ /`;
  if (CONTROL.test(name)) return `${what} ${show(name)}: contains a control character or line break`;
  if (/\p{Surrogate}/u.test(name)) return `${what} ${show(name)}: contains half of a surrogate pair`;
  if (name === '__proto__') return `${what} ${show(name)}: is a word of JavaScript's own`;
  const bytes = Buffer.byteLength(name, 'utf8');
  if (bytes > MAX_NAME_BYTES)
    return `${what} ${show(name.slice(0, 40))}…: ${bytes} bytes are more than ${MAX_NAME_BYTES}`;
  return undefined;
}

/** A value as a message shows it: bounded, on one line, never throwing. */
export function show(value: unknown): string {
  if (typeof value === 'function') return `function ${value.name || '(anonymous)'}`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
