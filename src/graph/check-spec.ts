/** What is wrong with the shape of a source, a sink or an operator. Types tell most of it; plain JavaScript has none. */

import { isBag } from './bag.js';
import { declared, type Expected, formerFindings } from './check-declared.js';
import { show } from './names.js';
import { isOperatorStateDeclaration, type OperatorStateDeclaration } from './operator-state.js';
import { isSchema, isStandardSchema } from './schemas.js';

type Kind = 'text' | 'function' | 'schema' | 'boolean' | 'count' | 'rate';

interface Property {
  readonly expected: Kind;
  readonly required: boolean;
}

type Shape = Readonly<Record<string, Property>>;

const required = (expected: Kind): Property => ({ expected, required: true });
const optional = (expected: Kind): Property => ({ expected, required: false });

const SOURCE: Shape = {
  kind: required('text'),
  position: required('schema'),
  splits: required('function'),
  read: required('function'),
  replayable: optional('boolean'),
  exclusive: optional('text'),
  rate: optional('rate'),
  concurrency: optional('count'),
  rediscover: optional('count'),
  describe: optional('text'),
  compare: optional('function'),
};

const SINK: Shape = {
  kind: required('text'),
  open: required('function'),
  committer: optional('function'),
  transaction: optional('schema'),
  target: optional('text'),
  describe: optional('text'),
};

/** Findings on a `SourceSpec`; empty when its shape is right. */
export function sourceFindings(spec: unknown): string[] {
  return [...shapeFindings(spec, SOURCE), ...stateFindings(spec)];
}

/** Findings on a `SinkSpec`; empty when its shape is right. */
export function sinkFindings(spec: unknown): string[] {
  const findings = [...shapeFindings(spec, SINK), ...stateFindings(spec)];
  if (typeof spec !== 'object' || spec === null) return findings;
  const committer = 'committer' in spec && spec.committer !== undefined;
  const transaction = 'transaction' in spec && spec.transaction !== undefined;
  if (committer && !transaction)
    findings.push('has a committer but no transaction: give the schema of what prepare returns');
  if (transaction && !committer)
    findings.push('has a transaction but no committer: give one, or leave both out');
  return findings;
}

const OPERATOR_STATE: Expected<OperatorStateDeclaration> = {
  property: 'state',
  expected: 'state.operatorList(…) or state.operatorUnion(…)',
  fits: isOperatorStateDeclaration,
};

function stateFindings(spec: unknown): string[] {
  if (!isBag(spec)) return [];
  const findings: string[] = [];
  const found = declared(OPERATOR_STATE, spec['state'], findings);
  return [...findings, ...formerFindings(found)];
}

function shapeFindings(spec: unknown, shape: Shape): string[] {
  if (typeof spec !== 'object' || spec === null) return [`expected an object, found ${show(spec)}`];
  const given = spec as Readonly<Record<string, unknown>>;
  const findings: string[] = [];
  for (const [name, { expected, required }] of Object.entries(shape)) {
    const value = given[name];
    if (value === undefined) {
      if (required) findings.push(`${name} is missing: expected ${WORDS[expected]}`);
    } else if (!fits(value, expected)) {
      const wrap = expected === 'schema' && isStandardSchema(value) ? `; wrap it: ${name}: schema(…)` : '';
      findings.push(`${name}: expected ${WORDS[expected]}, found ${show(value)}${wrap}`);
    }
  }
  return findings;
}

const WORDS: Readonly<Record<Kind, string>> = {
  text: 'non-empty text',
  function: 'a function',
  schema: 'a schema made by schema(…)',
  boolean: 'true or false',
  count: 'a whole number of at least 1',
  rate: 'a number over 0',
};

function fits(value: unknown, expected: Kind): boolean {
  if (expected === 'text') return typeof value === 'string' && value !== '';
  if (expected === 'schema') return isSchema(value);
  if (expected === 'count') return Number.isSafeInteger(value) && Number(value) >= 1;
  if (expected === 'rate') return typeof value === 'number' && Number.isFinite(value) && value > 0;
  return typeof value === expected;
}
