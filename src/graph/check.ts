/**
 * All that can be wrong with a dataflow, as findings. Pure: the graph in, sentences out.
 *
 * Every finding names the operator by its uid. An operator whose output nobody uses is fine; a source from which
 * no sink and no operator with state is reached is not.
 */
import { normalize, resolve } from 'node:path';
import { processFindings, type Reached } from './check-process.js';
import { sinkFindings, sourceFindings } from './check-spec.js';
import { timeFindings } from './check-time.js';
import { graphInvalid } from './graph-invalid.js';
import { nameProblem, show } from './names.js';
import {
  type AsyncMapNode,
  type Graph,
  type GraphNode,
  inputsOf,
  type ProcessNode,
  type SinkNode,
  type SourceNode,
  type WindowNode,
} from './node.js';

type NamedNode = SourceNode | ProcessNode | AsyncMapNode | WindowNode | SinkNode;

/** Findings, in the order of the graph; empty when the graph can run. */
export function checkGraph(graph: Graph): string[] {
  const named = graph.nodes.filter(isNamed);
  return [
    ...named.flatMap((node) => specFindings(node).map((finding) => `${label(node)}: ${finding}`)),
    ...uidFindings(named),
    ...targetFindings(graph.nodes),
    ...exclusiveFindings(graph.nodes),
    ...reachFindings(graph.nodes),
    ...keyFindings(graph),
    ...timeFindings(graph),
  ];
}

function isNamed(node: GraphNode): node is NamedNode {
  return 'uid' in node;
}

function label(node: NamedNode): string {
  return `${kindOf(node)} ${show(node.uid)}`;
}

/** As the definition calls it. */
function kindOf(node: NamedNode): string {
  const joins = (node.kind === 'process' || node.kind === 'window') && node.join !== undefined;
  return joins ? (node.kind === 'process' ? 'intervalJoin' : 'windowJoin') : node.kind;
}

function article({ kind }: NamedNode): string {
  return kind === 'asyncMap' ? 'an' : 'a';
}

function specFindings(node: NamedNode): string[] {
  // Without a uid all that was given is one place off.
  if (typeof node.uid !== 'string') return [];
  if (node.kind === 'source') return sourceFindings(node.source);
  if (node.kind === 'sink') return sinkFindings(node.sink);
  // What these were given is read, and found wrong, where it is given: read-window.ts, async-map.ts.
  return node.kind === 'window' || node.kind === 'asyncMap'
    ? []
    : processFindings(node.spec, reachedBy(node));
}

function reachedBy({ broadcast, right }: ProcessNode): Reached {
  if (right !== undefined) return 'two keyed streams';
  return broadcast === undefined ? 'one stream' : 'a broadcast stream, too';
}

/** Two keyed streams meet where their keys are of one type: else one key would be two. */
function keyFindings({ nodes }: Graph): string[] {
  const typeOf = (id: number) => {
    const node = nodes[id];
    return node?.kind === 'keyBy' ? node.codec.id : undefined;
  };
  return nodes.flatMap((node) => {
    if ((node.kind !== 'process' && node.kind !== 'window') || node.right === undefined) return [];
    const [left, right] = [typeOf(node.input), typeOf(node.right)];
    if (left === right) return [];
    return [
      `${label(node)}: its streams have keys of two types, ${left} and ${right}: give both keyBy the same one`,
    ];
  });
}

function uidFindings(named: readonly NamedNode[]): string[] {
  const findings: string[] = [];
  const current = new Map<string, NamedNode>();
  for (const node of named) {
    const problem = uidProblem(node);
    const other = current.get(node.uid);
    if (problem !== undefined) findings.push(`${kindOf(node)}: ${problem}`);
    else if (other !== undefined)
      findings.push(
        `uid ${show(node.uid)} is used twice: by ${article(other)} ${other.kind} and by ${article(node)} ${node.kind}`,
      );
    else current.set(node.uid, node);
  }
  /** Former uid → the operator that claims it. */
  const claimed = new Map<string, NamedNode>();
  for (const node of named) {
    for (const old of formerUids(node, findings)) {
      const other = claimed.get(old);
      if (current.has(old))
        findings.push(`${label(node)} was formerly ${show(old)}, but an operator of that uid is still there`);
      else if (other !== undefined)
        findings.push(`${label(other)} and ${label(node)} were both formerly ${show(old)}`);
      claimed.set(old, node);
    }
  }
  return findings;
}

function uidProblem(node: NamedNode): string | undefined {
  const uid: unknown = node.uid;
  if (typeof uid === 'string') return nameProblem('uid', uid);
  return `expected its uid first, as in ${kindOf(node)}('name', …), found ${show(uid)}`;
}

function formerUids(node: NamedNode, findings: string[]): readonly string[] {
  if (!Array.isArray(node.formerly)) {
    findings.push(`${label(node)}: formerly: expected an array of uids, found ${show(node.formerly)}`);
    return [];
  }
  for (const old of node.formerly) {
    const problem = nameProblem(`${label(node)}, formerly`, old);
    if (problem !== undefined) findings.push(problem);
  }
  return node.formerly;
}

/**
 * A target belongs to one sink: what is ahead of a snapshot, and the lock, are per target. Without `cwd` a relative
 * and an absolute path cannot be told to be one folder; links are found when the targets are locked.
 */
function targetFindings(nodes: readonly GraphNode[], cwd?: string): string[] {
  const findings: string[] = [];
  const owners = new Map<string, SinkNode>();
  for (const node of nodes) {
    if (node.kind !== 'sink' || typeof node.sink?.target !== 'string') continue;
    const { uid, sink } = node;
    const target = cwd === undefined ? normalize(`${sink.target}/`) : resolve(cwd, node.sink.target);
    const owner = owners.get(target);
    if (owner === undefined) owners.set(target, node);
    else {
      findings.push(
        `sinks ${show(owner.uid)} and ${show(uid)} write to one target, ${show(sink.target)}: give each its own`,
      );
    }
  }
  return findings;
}

/** What one source alone can read. */
function exclusiveFindings(nodes: readonly GraphNode[]): string[] {
  const findings: string[] = [];
  const owners = new Map<string, string>();
  for (const node of nodes) {
    const exclusive = node.kind === 'source' ? node.source?.exclusive : undefined;
    if (node.kind !== 'source' || typeof exclusive !== 'string') continue;
    const owner = owners.get(exclusive);
    if (owner === undefined) owners.set(exclusive, node.uid);
    else
      findings.push(
        `sources ${show(owner)} and ${show(node.uid)} both read ${exclusive}: use the stream of one of them twice`,
      );
  }
  return findings;
}

/** @throws GRAPH_INVALID when two sinks have one target, however their paths are written from this folder. */
export function refuseSharedTargets(graph: Graph, cwd: string): void {
  const findings = targetFindings(graph.nodes, cwd);
  if (findings.length > 0) throw graphInvalid('the definition', findings);
}

function reachFindings(nodes: readonly GraphNode[]): string[] {
  const sources = nodes.filter((node) => node.kind === 'source');
  if (sources.length === 0) return ['the dataflow has no source: begin with job.source(uid, …)'];
  const useful = new Set<number>();
  for (const node of nodes.toReversed()) {
    if (('uid' in node && node.kind !== 'source') || useful.has(node.id)) {
      for (const input of inputsOf(node)) useful.add(input);
    }
  }
  return sources
    .filter((source) => !useful.has(source.id))
    .map(
      (source) =>
        `${label(source)}: what it reads reaches no sink and no operator with state: add .sink(uid, …)`,
    );
}
