import { resolve } from 'node:path';
import { present } from '../base/assert.js';
import { refuseSharedTargets } from '../graph/check.js';
import { describePanes, describeWindow } from '../graph/describe-window.js';
import { feedersOf } from '../graph/edges.js';
import type { Graph, GraphNode } from '../graph/node.js';
import { isKeyed } from '../runtime/compile.js';
import type { Dataflow } from '../runtime/dataflow.js';
import { tableTyping } from '../runtime/kept-as.js';
import { formerNames } from '../runtime/tables.js';
import type { GraphFacts, OperatorFacts } from './protocol.js';

/**
 * What the main thread needs to know of a graph it never loads.
 * @throws GRAPH_INVALID when two sinks have one target: only where the job's folder is known can that be told.
 */
export function graphFacts(graph: Graph, dataflow: Dataflow, cwd: string): GraphFacts {
  refuseSharedTargets(graph, cwd);
  return {
    operators: graph.nodes.flatMap((node) => operatorFacts(graph, node)),
    tables: dataflow.tables.map((table) => ({
      ...table,
      formerly: formerNames(graph, table),
      ...tableTyping(graph, table),
    })),
    targets: graph.nodes.flatMap((node) => {
      if (node.kind !== 'sink' || node.sink.target === undefined) return [];
      return [{ sink: node.uid, target: resolve(cwd, node.sink.target) }];
    }),
    rediscovers: graph.nodes.some((node) => node.kind === 'source' && node.source.rediscover !== undefined),
    names: dataflow.compiled.names,
    windows: graph.nodes.flatMap((node) => {
      if (node.kind !== 'window') return [];
      const { assign, slice } = describeWindow(node);
      const shape = slice === undefined ? { assign } : { assign, slice };
      return describePanes(node.spec).map(({ name }) => ({ ...shape, operator: node.uid, table: name }));
    }),
  };
}

function operatorFacts(graph: Graph, node: GraphNode): readonly OperatorFacts[] {
  if (node.kind !== 'source' && node.kind !== 'sink' && !isKeyed(node)) return [];
  const { uid, formerly } = node;
  const keyed = isKeyed(node);
  const kind = keyed ? 'process' : node.kind;
  const inputs = feedersOf(graph, node);
  return [{ uid, formerly, kind, keyType: keyed ? keyType(graph, node.input) : null, inputs }];
}

function keyType(graph: Graph, id: number): string {
  const keyBy = present(graph.nodes[id], 'the input of a keyed operator');
  return keyBy.kind === 'keyBy' ? keyBy.codec.id : '';
}
