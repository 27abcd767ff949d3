/** Puts a test's inputs and outputs in the place of a graph's sources and sinks. */
import { TidemarkError } from '../base/errors.js';
import { fromArray } from '../connectors/from-array.js';
import type { Graph, GraphNode, SinkNode, SourceNode } from '../graph/node.js';
import type { SinkSpec } from '../graph/sink.js';
import type { SourceSpec } from '../graph/source.js';

export interface Substitutes {
  /** By source uid: the elements it gives. Sources not named stay as they are. */
  readonly inputs: Readonly<Record<string, readonly unknown[]>>;
  /** By sink uid: where what reaches it is put. */
  readonly outputs: Map<string, unknown[]>;
  /** False: sinks stay as they are. */
  readonly captureSinks: boolean;
}

export function substitute(graph: Graph, substitutes: Substitutes): Graph {
  const sources = new Set(graph.nodes.filter((node) => node.kind === 'source').map(({ uid }) => uid));
  const unknown = Object.keys(substitutes.inputs).filter((uid) => !sources.has(uid));
  if (unknown.length > 0) {
    throw new TidemarkError(
      'USAGE',
      `no source ${unknown.join(', ')}; the definition has: ${[...sources].join(', ')}`,
    );
  }
  return { nodes: graph.nodes.map((node) => substituteNode(node, substitutes)) };
}

function substituteNode(node: GraphNode, { inputs, outputs, captureSinks }: Substitutes): GraphNode {
  if (node.kind === 'source' && Object.hasOwn(inputs, node.uid))
    return withInput(node, inputs[node.uid] ?? []);
  if (node.kind !== 'sink' || !captureSinks) return node;
  const lines: unknown[] = [];
  outputs.set(node.uid, lines);
  return withOutput(node, lines);
}

function withInput(node: SourceNode, elements: readonly unknown[]): SourceNode {
  return { ...node, source: fromArray(elements) as SourceSpec<unknown, unknown> };
}

function withOutput(node: SinkNode, into: unknown[]): SinkNode {
  const sink: SinkSpec<unknown, unknown> = {
    kind: 'captured',
    open: () => ({ write: (elements) => void into.push(...elements) }),
  };
  return { ...node, sink };
}
