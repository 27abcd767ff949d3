import { resolve } from 'node:path';
import { present } from '../base/assert.js';
import { MAX_NAME_LENGTH } from '../format/manifest.js';
import { refuseSharedTargets } from '../graph/check.js';
import { describeWindow } from '../graph/describe-window.js';
import { feedersOf } from '../graph/edges.js';
import type { Graph, GraphNode } from '../graph/node.js';
import type { WindowRecord } from '../restore/shape.js';
import { isKeyed } from '../runtime/compile.js';
import type { Dataflow } from '../runtime/dataflow.js';
import { tableTyping } from '../runtime/kept-as.js';
import { formerNames, isTimer, type Table } from '../runtime/tables.js';
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
      ...windowOf(graph, table),
      formerly: formerNames(graph, table),
      ...tableTyping(graph, table),
    })),
    targets: graph.nodes.flatMap((node) => {
      if (node.kind !== 'sink' || node.sink.target === undefined) return [];
      return [{ sink: node.uid, target: resolve(cwd, node.sink.target) }];
    }),
    rediscovers: graph.nodes.some((node) => node.kind === 'source' && node.source.rediscover !== undefined),
    names: dataflow.compiled.names,
  };
}

/** Of the tables that hold panes: what windows they are of. */
export function windowOf(graph: Graph, { operator, name, kind }: Table): { readonly window?: WindowRecord } {
  const node = graph.nodes.find((one) => one.kind === 'window' && one.uid === operator);
  if (node?.kind !== 'window' || isTimer(kind) || name === '') return {};
  const { assign, slice, lateness, trigger } = describeWindow(node);
  return {
    window: {
      assign,
      ...(slice === undefined ? {} : { slice }),
      ...(lateness === 0 ? {} : { lateness }),
      ...(node.spec.trigger === undefined ? {} : { trigger: trigger.slice(0, MAX_NAME_LENGTH) }),
    },
  };
}

function operatorFacts(graph: Graph, node: GraphNode): readonly OperatorFacts[] {
  if (!('uid' in node)) return [];
  const { uid, formerly } = node;
  const keyed = isKeyed(node);
  const kind = node.kind === 'source' || node.kind === 'sink' ? node.kind : 'process';
  const inputs = feedersOf(graph, node);
  return [{ uid, formerly, kind, keyType: keyed ? keyType(graph, node.input) : null, inputs }];
}

function keyType(graph: Graph, id: number): string {
  const keyBy = present(graph.nodes[id], 'the input of a keyed operator');
  return keyBy.kind === 'keyBy' ? keyBy.codec.id : '';
}
