/** Types of keys, and of the keys of maps, by their ids: `string`, `tuple(string,auto)`. Pure. */

/** It is not declared what they are; a tuple may have a place of any type. */
export function isAuto(type: string | null): boolean {
  return type?.split(/[(),]/).includes('auto') ?? false;
}

/**
 * Whether keys of type `was` may be of type `is`. What each key is under `auto` stands in its bytes: those of a declared
 * type are the same, and others are refused as they come.
 */
export function takesKeys(is: string | null, was: string | null): boolean {
  if (is === was) return true;
  if (is === null || was === null) return false;
  if (is === 'auto' || was === 'auto') return true;
  const [theirs, ours] = [placesOf(was), placesOf(is)];
  return (
    theirs.length > 0 &&
    theirs.length === ours.length &&
    theirs.every((place, at) => takesKeys(ours[at] ?? null, place))
  );
}

/** Of a tuple; none for all else. */
function placesOf(type: string): readonly string[] {
  const inner = /^tuple\((.*)\)$/s.exec(type)?.[1];
  if (inner === undefined) return [];
  const places: string[] = [];
  let [open, start] = [0, 0];
  for (const [at, letter] of [...`${inner},`].entries()) {
    if (letter === '(') open++;
    else if (letter === ')') open--;
    else if (letter === ',' && open === 0) {
      places.push(inner.slice(start, at));
      start = at + 1;
    }
  }
  return places;
}
