/**
 * Whether event time reaches those who go by it: every path from a source to a window or an event timer passes one
 * `assignTimestamps`, which stands before the keyed operators. One source has one, so that it has one watermark. Pure.
 */
import { present } from '../base/assert.js';
import { show } from './names.js';
import { type Graph, type GraphNode, inputsOf } from './node.js';

/** How a node is reached, over all paths to it. */
interface Reach {
  /** Sources of which a path has no assignTimestamps. */
  readonly untimed: ReadonlySet<string>;
  /** Those by which a path passes one. */
  readonly timed: ReadonlySet<string>;
  /** Keyed operators, and such with elements in flight, on the way. */
  readonly operators: ReadonlySet<string>;
}

/** Findings, in the order of the graph. */
export function timeFindings(graph: Graph): string[] {
  const findings: string[] = [];
  const reaches: Reach[] = [];
  /** Sources of which an assignTimestamps was seen. */
  const assigned = new Set<string>();
  for (const node of graph.nodes) {
    const before = inputsOf(node).map((id) => present(reaches[id], 'the reach of an input'));
    const reach = {
      untimed: union(clocked(node, before).map(({ untimed }) => untimed)),
      timed: union(before.map(({ timed }) => timed)),
      operators: union(before.map(({ operators }) => operators)),
    };
    if (node.kind === 'assign') findings.push(...assignFindings(reach, assigned));
    const needs = needsTime(node);
    if (needs !== undefined && reach.untimed.size > 0)
      findings.push(
        `${needs}, but ${theirs(reach.untimed)} have no timestamps: add .assignTimestamps(fn, { outOfOrderness: '5m' })`,
      );
    reaches.push(after(node, reach));
  }
  return findings;
}

/**
 * The inputs whose time counts. What is broadcast may go without any, and so may one of two keyed streams, but for a join:
 * then it does not hold back the time of the other.
 */
function clocked(node: GraphNode, before: readonly Reach[]): readonly Reach[] {
  if (node.kind !== 'process' || node.join !== undefined) return before;
  const timed = before.filter((from) => from.timed.size > 0);
  if (node.right !== undefined) return timed.length > 0 ? timed : before;
  const [main] = before;
  return before.filter((from) => from === main || timed.includes(from));
}

function after(node: GraphNode, reach: Reach): Reach {
  if (node.kind === 'source') return { ...reach, untimed: new Set([node.uid]) };
  if (node.kind === 'assign')
    return { ...reach, untimed: new Set(), timed: union([reach.timed, reach.untimed]) };
  if (node.kind === 'process' || node.kind === 'window' || node.kind === 'asyncMap')
    return { ...reach, operators: new Set([...reach.operators, node.uid]) };
  return reach;
}

function assignFindings(reach: Reach, assigned: Set<string>): string[] {
  const sources = union([reach.untimed, reach.timed]);
  const twice = [...reach.untimed].filter((source) => assigned.has(source));
  for (const source of sources) assigned.add(source);
  if (reach.operators.size > 0)
    return [
      `assignTimestamps stands after ${list('operator', reach.operators)}: it belongs before the first keyed operator, and before asyncMap`,
    ];
  if (reach.timed.size > 0)
    return [
      `assignTimestamps stands after another one: ${theirs(reach.timed)} have their timestamps already`,
    ];
  if (twice.length > 0)
    return [
      `assignTimestamps is there twice for ${list('source', new Set(twice))}: use one stream that has it for all`,
    ];
  return [];
}

/** Who goes by event time, as the beginning of a sentence; undefined for who does not. */
function needsTime(node: GraphNode): string | undefined {
  if (node.kind === 'window' && node.join !== undefined)
    return `windowJoin ${show(node.uid)} goes by event time`;
  if (node.kind === 'window') {
    const { assign, trigger } = node.spec;
    if (assign.kind !== 'global') return `window ${show(node.uid)} goes by event time`;
    return trigger?.onEventTime === undefined
      ? undefined
      : `trigger ${trigger.kind} of window ${show(node.uid)} goes by event time`;
  }
  if (node.kind !== 'process') return undefined;
  if (node.join !== undefined) return `intervalJoin ${show(node.uid)} goes by event time`;
  const timer = Object.entries(node.spec?.timers ?? {}).find(([, time]) => time === 'event');
  return timer && `timer ${show(timer[0])} of process ${show(node.uid)} goes by event time`;
}

function theirs(sources: ReadonlySet<string>): string {
  return `the elements of ${list('source', sources)}`;
}

function list(what: string, uids: ReadonlySet<string>): string {
  return `${what}${uids.size === 1 ? '' : 's'} ${[...uids].map(show).join(', ')}`;
}

function union<T>(sets: readonly ReadonlySet<T>[]): ReadonlySet<T> {
  const [first, ...others] = sets;
  if (first === undefined) return new Set();
  return others.length === 0 ? first : new Set(sets.flatMap((set) => [...set]));
}
