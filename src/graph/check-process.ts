/** What is wrong with a `process` operator: its states, timers, sides and handlers, and how they fit together. */
import { ValueRefused } from '../codec/codec.js';
import { ByteWriter } from '../codec/writer.js';
import { isStateDeclaration } from './declare-state.js';
import { nameProblem, show } from './names.js';
import type { StateDeclaration } from './state.js';

const KNOWN = ['state', 'timers', 'sides', 'emits', 'formerly', 'open', 'onElement', 'onTimer', 'close'];

type Bag = Readonly<Record<string, unknown>>;

interface Loose {
  readonly state?: unknown;
  readonly timers?: unknown;
  readonly sides?: unknown;
  readonly onTimer?: unknown;
}

/** Findings on a `ProcessSpec`, as clauses without the operator's name; empty when it is right. */
export function processFindings(spec: unknown): string[] {
  if (!isBag(spec)) return [`expected an object with onElement, found ${show(spec)}`];
  const findings = Object.keys(spec)
    .filter((name) => !KNOWN.includes(name))
    .map((name) => `no property ${show(name)}; expected one of: ${KNOWN.join(', ')}`);
  for (const name of ['open', 'close', 'onElement']) {
    const value = spec[name];
    if (value === undefined && name === 'onElement') findings.push('onElement is missing');
    else if (value !== undefined && typeof value !== 'function')
      findings.push(`${name}: expected a function, found ${show(value)}`);
  }
  const { state, timers, sides, onTimer }: Loose = spec;
  return [
    ...findings,
    ...stateFindings(state),
    ...timerFindings(timers, onTimer),
    ...sharedNames(state, timers),
    ...sideFindings(sides),
  ];
}

/** `uid.name` names one of them: on the command line, and where a restore leaves one behind. */
function sharedNames(states: unknown, timers: unknown): string[] {
  if (!isBag(states) || !isBag(timers)) return [];
  return Object.keys(timers)
    .filter((name) => Object.hasOwn(states, name))
    .map((name) => `a state and a timer are both called ${show(name)}: give one of them another name`);
}

function stateFindings(states: unknown): string[] {
  if (states === undefined) return [];
  if (!isBag(states)) return [`state: expected an object of declarations, found ${show(states)}`];
  const findings: string[] = [];
  /** Former name → the state that claims it. */
  const claimed = new Map<string, string>();
  for (const [name, declaration] of Object.entries(states)) {
    push(findings, nameProblem('state', name));
    if (!isStateDeclaration(declaration)) {
      findings.push(`state ${show(name)}: expected state.value(…) or its like, found ${show(declaration)}`);
      continue;
    }
    push(findings, initialFinding(name, declaration));
    for (const old of declaration.formerly) {
      push(findings, nameProblem(`state ${show(name)}, formerly`, old));
      const other = claimed.get(old);
      if (Object.hasOwn(states, old))
        findings.push(`state ${show(name)} was formerly ${show(old)}, but that state is still there`);
      else if (other !== undefined)
        findings.push(`states ${show(other)} and ${show(name)} were both formerly ${show(old)}`);
      claimed.set(old, name);
    }
  }
  return findings;
}

function initialFinding(name: string, declaration: StateDeclaration): string | undefined {
  const { kind, initial, schema, codec } = declaration;
  if (kind === 'number' && typeof initial !== 'number')
    return `state ${show(name)}: expected a number to begin with, found ${show(initial)}`;
  if (initial === undefined) return undefined;
  try {
    if (schema !== undefined) schema.check(initial);
    codec.write(initial, new ByteWriter());
    return undefined;
  } catch (error) {
    const reason = error instanceof ValueRefused || error instanceof Error ? error.message : String(error);
    return `state ${show(name)}: its initial value is refused: ${reason}`;
  }
}

function timerFindings(timers: unknown, handlers: unknown): string[] {
  if (timers !== undefined && !isBag(timers))
    return [`timers: expected an object of names, found ${show(timers)}`];
  if (handlers !== undefined && !isBag(handlers))
    return [`onTimer: expected an object with a handler for each timer, found ${show(handlers)}`];
  const declared: Bag = timers ?? {};
  const handled: Bag = handlers ?? {};
  const findings: string[] = [];
  for (const [name, time] of Object.entries(declared)) {
    push(findings, nameProblem('timer', name));
    if (time !== 'processing' && time !== 'event')
      findings.push(`timer ${show(name)}: expected 'event' or 'processing', found ${show(time)}`);
    if (!Object.hasOwn(handled, name))
      findings.push(`timer ${show(name)} has no handler: add onTimer: { ${name}(time, ctx) { … } }`);
  }
  for (const [name, handler] of Object.entries(handled)) {
    if (!Object.hasOwn(declared, name))
      findings.push(`onTimer handles ${show(name)}, but no such timer is declared: add it to timers`);
    else if (typeof handler !== 'function')
      findings.push(`onTimer.${name}: expected a function, found ${show(handler)}`);
  }
  return findings;
}

function sideFindings(sides: unknown): string[] {
  if (sides === undefined) return [];
  if (!isBag(sides)) return [`sides: expected an object of type<…>(), found ${show(sides)}`];
  return Object.keys(sides)
    .map((name) => nameProblem('side', name))
    .filter((problem) => problem !== undefined);
}

function isBag(value: unknown): value is Bag {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function push(findings: string[], finding: string | undefined): void {
  if (finding !== undefined) findings.push(finding);
}
