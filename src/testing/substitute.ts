/** Puts a test's inputs and outputs in the place of a graph's sources and sinks. */
import { TidemarkError } from '../base/errors.js';
import { fromArray } from '../connectors/from-array.js';
import type { Graph, GraphNode, SourceNode } from '../graph/node.js';
import type { SourceSpec } from '../graph/source.js';
import type { Outputs } from './outputs.js';

export interface Substitutes {
  /** By source uid: the elements it gives. Sources not named stay as they are. */
  readonly inputs: Readonly<Record<string, readonly unknown[]>>;
  /** Elements of an input that are one batch at most; undefined: as many as there are in a job. */
  readonly batch: number | undefined;
  /** What reaches the sinks; undefined: they stay as they are. */
  readonly outputs: Outputs | undefined;
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

function substituteNode(node: GraphNode, { inputs, batch, outputs }: Substitutes): GraphNode {
  if (node.kind === 'source' && Object.hasOwn(inputs, node.uid))
    return withInput(node, inputs[node.uid] ?? [], batch);
  if (node.kind !== 'sink' || outputs === undefined) return node;
  return { ...node, sink: outputs.capture(node.uid) };
}

function withInput(node: SourceNode, elements: readonly unknown[], batch: number | undefined): SourceNode {
  const source = fromArray(elements) as SourceSpec<unknown, unknown>;
  if (batch === undefined) return { ...node, source };
  return {
    ...node,
    source: {
      ...source,
      read: (request) => source.read({ ...request, batch: Math.min(batch, request.batch) }),
    },
  };
}
