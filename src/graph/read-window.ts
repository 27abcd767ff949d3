/** Reads what `KeyedStream.window` was given into a `WindowSpec`, and finds what is wrong with it. Pure. */
import { isCodec, isCodecs } from '../codec/define-codec.js';
import { valueCodec } from '../codec/value.js';
import { aggregateFindings, type Bag, isBag, unknownNames } from './bag.js';
import { readLength } from './lengths.js';
import { show } from './names.js';
import { readSchema } from './schemas.js';
import { isEventTime, isTrigger } from './triggers.js';
import type { Trigger, WindowAssigner, WindowKeeps, WindowSpec } from './window.js';

const FUNCTIONS = ['reduce', 'aggregate', 'apply'] as const;
const KNOWN = ['assign', 'lateness', 'trigger', ...FUNCTIONS, 'result', 'schema', 'codec', 'was', 'formerly'];

export interface ReadWindow {
  /** Usable only where there are no findings. */
  readonly spec: WindowSpec;
  /** Clauses without the operator's name. */
  readonly findings: readonly string[];
}

/** Stands for a spec that is refused, until all findings are told. */
const REFUSED: WindowSpec = {
  assign: { kind: 'global' },
  lateness: 0,
  trigger: undefined,
  keeps: { kind: 'list', codec: valueCodec, schema: undefined, apply: () => [] },
};

export function readWindow(given: unknown): ReadWindow {
  if (!isBag(given)) {
    const finding = `expected an object with assign and one of reduce, aggregate, apply, found ${show(given)}`;
    return { spec: REFUSED, findings: [finding] };
  }
  const lateness = readLength(given['lateness'] ?? 0, 0);
  const findings = [
    ...unknownNames(given, KNOWN),
    ...assignFindings(given['assign']),
    ...(typeof lateness === 'string' ? [`lateness: ${lateness}`] : []),
    ...functionFindings(given),
    ...keepingFindings(given),
    ...triggerFindings(given['trigger']),
  ];
  if (findings.length > 0) return { spec: REFUSED, findings };
  const spec: WindowSpec = {
    assign: given['assign'] as WindowAssigner,
    lateness: Number(lateness),
    trigger: ownTrigger(given['trigger'] as Trigger<unknown, unknown> | undefined),
    keeps: keeps(given),
  };
  return { spec, findings: fitFindings(spec, given['trigger'] !== undefined) };
}

function assignFindings(assign: unknown): string[] {
  if (assign === undefined) return ['assign is missing: expected windows.tumbling(…) or its like'];
  const kinds = ['tumbling', 'sliding', 'session', 'global'];
  if (isBag(assign) && kinds.some((kind) => kind === assign['kind'])) return [];
  return [`assign: expected windows.tumbling(…) or its like, found ${show(assign)}`];
}

function triggerFindings(trigger: unknown): string[] {
  if (trigger === undefined || isTrigger(trigger)) return [];
  return [`trigger: expected triggers.count(…) or its like, or one of defineTrigger, found ${show(trigger)}`];
}

function functionFindings(given: Bag): string[] {
  const found = FUNCTIONS.filter((name) => given[name] !== undefined);
  const [only] = found;
  if (only === undefined) return ['has no function: give one of reduce, aggregate and apply'];
  if (found.length > 1) return [`has ${found.join(' and ')}: give one of them`];
  const findings: string[] = [];
  const { result } = given;
  if (result !== undefined && only !== 'reduce')
    findings.push(
      only === 'aggregate' ? 'result belongs into aggregate' : 'result is not for apply, which gives results',
    );
  else if (result !== undefined && typeof result !== 'function')
    findings.push(`result: expected a function, found ${show(result)}`);
  return [...findings, ...bodyFindings(only, given[only])];
}

function bodyFindings(name: (typeof FUNCTIONS)[number], body: unknown): string[] {
  if (name === 'aggregate') return aggregateFindings(body).map((finding) => `aggregate: ${finding}`);
  return typeof body === 'function' ? [] : [`${name}: expected a function, found ${show(body)}`];
}

function keepingFindings({ schema: shape, codec, was }: Bag): string[] {
  const findings: string[] = [];
  if (shape !== undefined && readSchema(shape) === undefined)
    findings.push(`schema: expected a schema, found ${show(shape)}`);
  if (codec !== undefined && !isCodec(codec)) findings.push(`codec: expected a codec, found ${show(codec)}`);
  if (was !== undefined && !isCodecs(was))
    findings.push(`was: expected an array of codecs, found ${show(was)}`);
  return findings;
}

/** What its parts do not allow together. */
function fitFindings({ assign, lateness, trigger, keeps }: WindowSpec, triggerGiven: boolean): string[] {
  const findings: string[] = [];
  if (assign.kind === 'global') {
    if (trigger === undefined)
      findings.push(
        triggerGiven
          ? 'triggers.eventTime() never fires for windows.global(), which never ends'
          : 'windows.global() never ends: add a trigger that says when there are results, such as triggers.count(100)',
      );
    if (lateness > 0) findings.push('lateness: nothing is late for windows.global(), which never ends');
  }
  if (assign.kind === 'session') {
    if (keeps.kind === 'aggregating' && keeps.aggregate.merge === undefined)
      findings.push('aggregate: merge is missing: sessions that meet become one, and so must what they keep');
    if (trigger?.initial !== undefined && trigger.merge === undefined)
      findings.push(
        `trigger ${trigger.kind} has a state, but no merge: sessions that meet become one, and so must it`,
      );
  }
  return findings;
}

function ownTrigger(trigger: Trigger<unknown, unknown> | undefined): Trigger<unknown, unknown> | undefined {
  return trigger === undefined || isEventTime(trigger) ? undefined : trigger;
}

/** The functions are known to be such; their types are what the definition was compiled with. */
function keeps(given: Bag): WindowKeeps {
  const codec = given['codec'];
  const was = given['was'];
  const kept = {
    codec: isCodec(codec) ? codec : valueCodec,
    schema: readSchema(given['schema']),
    ...(isCodecs(was) ? { was } : {}),
  };
  const of = <K extends WindowKeeps['kind']>() => given as unknown as Extract<WindowKeeps, { kind: K }>;
  if (given['aggregate'] !== undefined)
    return { ...kept, kind: 'aggregating', aggregate: of<'aggregating'>().aggregate };
  if (given['apply'] !== undefined) return { ...kept, kind: 'list', apply: of<'list'>().apply };
  const { reduce, result } = of<'reducing'>();
  return { ...kept, kind: 'reducing', reduce, ...(result === undefined ? {} : { result }) };
}
