/**
 * A piece of a dataflow, with inputs and outputs that belong to a test, as a graph that can run:
 *
 *     source ─ assign ─ gate ─▶ the piece ─▶ captured outputs, by name
 *                        ▲
 *                        └ where the test pushes elements, with the timestamp it says
 *
 * The source gives nothing. `assign` is there so that event time reaches the piece; where the piece has an
 * `assignTimestamps` of its own for an input, that input goes without.
 */
import { unchecked } from '../codec/schema.js';
import { GraphBuilder } from '../graph/builder.js';
import { checkGraph } from '../graph/check.js';
import { graphInvalid } from '../graph/graph-invalid.js';
import { type Graph, type GraphNode, inputsOf } from '../graph/node.js';
import type { SourceSpec } from '../graph/source.js';
import { type Sink, Stream } from '../graph/stream.js';
import { Outputs } from './outputs.js';

/** The name of the stream that a piece returns, if it is one. */
export const MAIN = '';

export interface PieceInput {
  /** The node that elements are pushed to. */
  readonly gate: number;
  /** The piece takes timestamps from the elements. */
  readonly assigns: boolean;
  /** What of it goes by event time, if anything: elements need a timestamp. */
  readonly needsTime: string | undefined;
}

export interface Piece {
  readonly graph: Graph;
  readonly inputs: readonly PieceInput[];
  readonly outputs: Outputs;
}

/** What the uids of the sinks of returned streams begin with. */
const OWN_SINK = 'test-output:';
/** Stands for one that captures. */
const NO_SINK: Sink<unknown> = { kind: 'captured', open: () => ({ write: () => undefined }) };

const SILENT: SourceSpec<unknown, unknown> = {
  kind: 'test',
  position: unchecked(),
  splits: () => [],
  async *read() {},
};

/**
 * Calls `build` with `count` streams; what it returns is a stream, with its side outputs or its late elements beside it,
 * or an object of streams. Its sinks are outputs by their uid.
 * @throws TidemarkError GRAPH_INVALID with all that is wrong with it.
 */
export function pieceOf(count: number, build: (...inputs: Stream<never>[]) => unknown): Piece {
  const builder = new GraphBuilder();
  const sources = Array.from({ length: count }, (_, place) => addInput(builder, place));
  const returned = build(...sources.map(({ gate }) => new Stream<never>(builder, gate)));
  const outputs = new Outputs('output');
  const findings: string[] = [];
  const streams = streamsOf(returned, findings);
  const sinks = builder.graph().nodes.flatMap((node) => (node.kind === 'sink' ? [node.uid] : []));
  for (const [name, stream] of streams) {
    if (sinks.includes(name))
      findings.push(`output ${JSON.stringify(name)} is a sink and a stream it returned`);
    stream.sink(`${OWN_SINK}${name}`, NO_SINK);
  }
  const built = builder.graph();
  const graph = { nodes: built.nodes.map((node) => capture(withoutSecondAssign(built, node), outputs)) };
  const all = [...findings, ...builder.findings, ...checkGraph(graph)];
  if (all.length > 0) throw graphInvalid('what testOperator was given', all);
  const inputs = sources.map(({ assign, gate }) => ({
    gate,
    assigns: graph.nodes[assign]?.kind !== 'assign',
    needsTime: whatNeedsTime(graph, gate),
  }));
  return { graph, inputs, outputs };
}

function addInput(builder: GraphBuilder, place: number) {
  const uid = place === 0 ? 'test-input' : `test-input-${place}`;
  const source = builder.add((id) => ({ id, kind: 'source', uid, formerly: [], source: SILENT }));
  const assign = builder.add((id) => ({
    id,
    kind: 'assign',
    input: source,
    timestamp: ourTimestamp,
    outOfOrderness: 0,
    idle: undefined,
    inTurn: false,
  }));
  const gate = builder.add((id) => ({ id, kind: 'union', inputs: [assign] }));
  return { assign, gate };
}

/** Never called: elements enter behind it. */
function ourTimestamp(): number {
  return 0;
}

function withoutSecondAssign(graph: Graph, node: GraphNode): GraphNode {
  const { id } = node;
  if (node.kind !== 'assign' || node.timestamp !== ourTimestamp || !assignsFurther(graph, id)) return node;
  return { id, kind: 'union', inputs: [node.input] };
}

function assignsFurther({ nodes }: Graph, from: number): boolean {
  const reached = new Set([from]);
  for (const node of nodes) {
    if (!inputsOf(node).some((input) => reached.has(input))) continue;
    if (node.kind === 'assign') return true;
    reached.add(node.id);
  }
  return false;
}

/** The sink of a returned stream is known by the stream's name, any other by its uid. */
function capture(node: GraphNode, outputs: Outputs): GraphNode {
  if (node.kind !== 'sink') return node;
  const { uid } = node;
  return { ...node, sink: outputs.capture(uid.startsWith(OWN_SINK) ? uid.slice(OWN_SINK.length) : uid) };
}

/** By name; side outputs and late elements beside the main one. */
function streamsOf(returned: unknown, findings: string[]): readonly (readonly [string, Stream<unknown>])[] {
  if (returned === undefined) return [];
  if (returned instanceof Stream) {
    const { side = {}, late } = returned as { readonly side?: object; readonly late?: object };
    return [[MAIN, returned], ...named(side, findings), ...named(lateOf(late), findings)];
  }
  if (typeof returned === 'object' && returned !== null) return named(returned, findings);
  findings.push('it returned neither a stream nor an object of streams');
  return [];
}

/** That of a window, or of the two sides of a join. */
function lateOf(late: object | undefined): object {
  if (late === undefined || late instanceof Stream) return late === undefined ? {} : { late };
  return Object.fromEntries(Object.entries(late).map(([side, stream]) => [`late-${side}`, stream]));
}

function named(streams: object, findings: string[]): readonly (readonly [string, Stream<unknown>])[] {
  return Object.entries(streams).flatMap(([name, stream]: [string, unknown]) => {
    if (stream instanceof Stream) return [[name, stream] as const];
    findings.push(`what it returned as ${JSON.stringify(name)} is no stream`);
    return [];
  });
}

/** As graph/check-time.ts has it: what is broadcast may go without timestamps. */
function whatNeedsTime({ nodes }: Graph, gate: number): string | undefined {
  const reached = new Set([gate]);
  for (const node of nodes) {
    if (!inputsOf(node).some((input) => reached.has(input))) continue;
    reached.add(node.id);
    if ((node.kind === 'window' || node.kind === 'process') && node.join !== undefined)
      return `join ${node.uid}`;
    if (node.kind === 'window') {
      const { assign, trigger } = node.spec;
      if (assign.kind !== 'global' || trigger?.onEventTime !== undefined) return `window ${node.uid}`;
    }
    // Of two keyed streams, one may go without.
    if (node.kind !== 'process' || !reached.has(node.input) || node.right !== undefined) continue;
    if (Object.values(node.spec.timers ?? {}).includes('event')) return `process ${node.uid}`;
  }
  return undefined;
}
