/** What is wrong with a `process` operator: its states, timers, sides and handlers, and how they fit together. */
import { ValueRefused } from '../codec/codec.js';
import { ByteWriter } from '../codec/writer.js';
import { type Bag, isBag, unknownNames } from './bag.js';
import { declared, type Expected, formerFindings } from './check-declared.js';
import { isBroadcastDeclaration, isStateDeclaration } from './declare-state.js';
import { nameProblem, show } from './names.js';
import type { AnyBroadcastDeclaration } from './process.js';
import type { StateDeclaration } from './state.js';

const KNOWN = ['state', 'timers', 'sides', 'emits', 'formerly', 'open', 'onElement', 'onTimer', 'close'];
const OF_BROADCAST = ['broadcast', 'onBroadcast'];
const OF_TWO = ['onLeft', 'onRight'];

/** Which streams reach an operator; that says what its spec has. */
export type Reached = 'one stream' | 'a broadcast stream, too' | 'two keyed streams';

const REQUIRED: Readonly<Record<Reached, readonly string[]>> = {
  'one stream': ['onElement'],
  'a broadcast stream, too': ['onElement', 'onBroadcast'],
  'two keyed streams': OF_TWO,
};

interface Loose {
  readonly state?: unknown;
  readonly broadcast?: unknown;
  readonly timers?: unknown;
  readonly sides?: unknown;
  readonly onTimer?: unknown;
}

/**
 * Findings on a `ProcessSpec`, a `BroadcastProcessSpec` or a `ConnectedProcessSpec`, as clauses without the operator's name;
 * empty when it is right.
 */
export function processFindings(spec: unknown, reached: Reached = 'one stream'): string[] {
  const required = REQUIRED[reached];
  if (!isBag(spec)) return [`expected an object with ${required.join(' and ')}, found ${show(spec)}`];
  const { state, broadcast, timers, sides, onTimer }: Loose = spec;
  return [
    ...propertyFindings(spec, reached),
    ...functionFindings(spec, required),
    ...declarationFindings(state, broadcast),
    ...timerFindings(timers, onTimer),
    ...sharedNames([
      ['a state', state],
      ['a broadcast state', broadcast],
      ['a timer', timers],
    ]),
    ...sideFindings(sides),
  ];
}

function propertyFindings(spec: Bag, reached: Reached): string[] {
  if (reached === 'a broadcast stream, too') return unknownNames(spec, [...KNOWN, ...OF_BROADCAST]);
  const { broadcast, onBroadcast, ...ofKeyed } = spec;
  const { onLeft, onRight, ...ofOne } = ofKeyed;
  const two = reached === 'two keyed streams';
  const findings = two
    ? unknownNames(ofKeyed, [...KNOWN.filter((name) => name !== 'onElement'), ...OF_TWO])
    : unknownNames(ofOne, KNOWN);
  if (broadcast !== undefined || onBroadcast !== undefined)
    findings.push(
      'broadcast and onBroadcast need a broadcast stream: .connect(stream.broadcast()).process(uid, …)',
    );
  if (!two && (onLeft !== undefined || onRight !== undefined))
    findings.push('onLeft and onRight need a second keyed stream: .connect(other.keyBy(…)).process(uid, …)');
  return findings;
}

function functionFindings(spec: Bag, required: readonly string[]): string[] {
  const findings: string[] = [];
  for (const name of ['open', 'close', ...required]) {
    const value = spec[name];
    if (value === undefined && required.includes(name)) findings.push(`${name} is missing`);
    else if (value !== undefined && typeof value !== 'function')
      findings.push(`${name}: expected a function, found ${show(value)}`);
  }
  return findings;
}

/** `uid.name` names one of them: on the command line, and where a restore leaves one behind. */
function sharedNames(groups: readonly (readonly [what: string, named: unknown])[]): string[] {
  const findings: string[] = [];
  const seen = new Map<string, string>();
  for (const [what, named] of groups) {
    for (const name of isBag(named) ? Object.keys(named) : []) {
      const other = seen.get(name);
      if (other === undefined) seen.set(name, what);
      else findings.push(`${other} and ${what} are both called ${show(name)}: give one of them another name`);
    }
  }
  return findings;
}

const KEYED: Expected<StateDeclaration> = {
  property: 'state',
  expected: 'state.value(…) or its like',
  fits: isStateDeclaration,
  problem: initialFinding,
};

const BROADCAST: Expected<AnyBroadcastDeclaration> = {
  property: 'broadcast',
  expected: 'state.broadcast(…)',
  fits: isBroadcastDeclaration,
};

/** States of keys and broadcast states: former names are looked for among both. */
function declarationFindings(states: unknown, broadcast: unknown): string[] {
  const findings: string[] = [];
  const found = [...declared(KEYED, states, findings), ...declared(BROADCAST, broadcast, findings)];
  return [...findings, ...formerFindings(found)];
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

function push(findings: string[], finding: string | undefined): void {
  if (finding !== undefined) findings.push(finding);
}
