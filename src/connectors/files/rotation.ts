/**
 * Names that log rotation gives: `app.log` becomes `app.log.1`, then `app.log.2`, or `app.log-20260131`. Pure.
 *
 * The live name and its rotated ones are one family. In a family, numbers count up into the past and dates into
 * the future; the live file is the newest.
 */
import { posix } from 'node:path';

/** What follows the live name: a number from 1 to 9999, or a date with an optional time or counter. */
const ROTATED = /^(?:\.([1-9]\d{0,3})|[.-](\d{4}-?\d\d-?\d\d(?:[T_.-]?\d{1,6})*))$/;
const SUFFIX = /(?:\.[1-9]\d{0,3}|[.-]\d{4}-?\d\d-?\d\d(?:[T_.-]?\d{1,6})*)$/;

/** The names in a folder that are rotations of `live`, oldest first. Compressed ones are not among them. */
export function rotationsOf(live: string, names: readonly string[]): string[] {
  return names
    .map((name) => ({ name, age: ageOf(live, name) }))
    .filter((file): file is { name: string; age: Age } => file.age !== undefined)
    .sort((a, b) => olderFirst(a.age, b.age))
    .map((file) => file.name);
}

interface Age {
  readonly number: number;
  readonly date: string;
}

function ageOf(live: string, name: string): Age | undefined {
  if (!name.startsWith(live)) return undefined;
  const match = ROTATED.exec(name.slice(live.length));
  if (match === null) return undefined;
  return { number: Number(match[1] ?? 0), date: match[2] ?? '' };
}

function olderFirst(a: Age, b: Age): number {
  if (a.date !== b.date) return a.date < b.date ? -1 : 1;
  return b.number - a.number;
}

export interface Family {
  /** The live file, relative to the base. */
  readonly live: string;
  /** Those of its files that were found, oldest first. */
  readonly members: readonly string[];
}

/**
 * Groups what a pattern matched, so that a file that is renamed within the pattern is not taken for a new one.
 * A rotated name counts as one when the name without its suffix could match too: it begins with the fixed
 * beginning of the pattern's last segment (`app.log*` takes `app.log.1` for a rotation, `part.*` has no `part`).
 */
export function familiesOf(paths: readonly string[], pattern: string): Family[] {
  const fixed = /^[^*?[\]{}()!+@\\]*/.exec(posix.basename(pattern))?.[0] ?? '';
  const families = new Map<string, string[]>();
  for (const path of paths) {
    const stripped = path.replace(SUFFIX, '');
    const name = posix.basename(stripped);
    const live =
      name !== '' && stripped !== '' && !stripped.endsWith('/') && name.startsWith(fixed) ? stripped : path;
    const members = families.get(live);
    if (members === undefined) families.set(live, [path]);
    else members.push(path);
  }
  return [...families].map(([live, members]) => ({ live, members: inOrder(live, members) }));
}

function inOrder(live: string, members: readonly string[]): string[] {
  const rotated = rotationsOf(live, members);
  return members.includes(live) ? [...rotated, live] : rotated;
}
