/** What is wrong with declarations of state, whatever operator they belong to: names, kinds, former names. */
import { isBag } from './bag.js';
import { nameProblem, show } from './names.js';

export interface Declared {
  readonly name: string;
  readonly formerly: readonly string[];
}

/** What may stand in a property. */
export interface Expected<D extends Pick<Declared, 'formerly'>> {
  readonly property: 'state' | 'broadcast';
  /** As messages say it: `state.value(…) or its like`. */
  readonly expected: string;
  fits(value: unknown): value is D;
  /** What else may be wrong with one that fits. */
  problem?(name: string, declaration: D): string | undefined;
}

/** What of `given` is rightly declared; what is not is told to `findings`. */
export function declared<D extends Pick<Declared, 'formerly'>>(
  { property, expected, fits, problem }: Expected<D>,
  given: unknown,
  findings: string[],
): readonly Declared[] {
  if (given === undefined) return [];
  if (!isBag(given)) {
    findings.push(`${property}: expected an object of declarations, found ${show(given)}`);
    return [];
  }
  const push = (finding: string | undefined) => {
    if (finding !== undefined) findings.push(finding);
  };
  return Object.entries(given).flatMap(([name, declaration]) => {
    push(nameProblem(property, name));
    if (!fits(declaration)) {
      push(`${property} ${show(name)}: expected ${expected}, found ${what(declaration)}`);
      return [];
    }
    push(problem?.(name, declaration));
    return [{ name, formerly: declaration.formerly }];
  });
}

/** Findings on former names: of all states of one operator together. */
export function formerFindings(found: readonly Declared[]): string[] {
  const findings: string[] = [];
  const current = new Set(found.map(({ name }) => name));
  /** Former name → the state that claims it. */
  const claimed = new Map<string, string>();
  for (const { name, formerly } of found) {
    for (const old of formerly) {
      const problem = nameProblem(`state ${show(name)}, formerly`, old);
      if (problem !== undefined) findings.push(problem);
      const other = claimed.get(old);
      if (current.has(old))
        findings.push(`state ${show(name)} was formerly ${show(old)}, but that state is still there`);
      else if (other !== undefined)
        findings.push(`states ${show(other)} and ${show(name)} were both formerly ${show(old)}`);
      claimed.set(old, name);
    }
  }
  return findings;
}

/** A declaration of another kind by its name, anything else as messages show it. */
function what(value: unknown): string {
  if (!isBag(value) || !('codec' in value)) return show(value);
  return `a declaration of kind ${show(value['kind'])}`;
}
