/** The edges of a graph between operators that have a uid: what lies between two of them keeps nothing. Pure. */
import { present } from '../base/assert.js';
import { type Graph, type GraphNode, inputsOf } from './node.js';

/** The operators that feed this one, as `uid`, or `uid.side` for a side output; sorted, each once. */
export function feedersOf(graph: Graph, node: GraphNode): readonly string[] {
  const found = new Set<string>();
  const seen = new Set<number>();
  const visit = (id: number, side: string) => {
    const from = present(graph.nodes[id], 'an input');
    if ('uid' in from) found.add(`${from.uid}${side}`);
    else if (!seen.has(id)) {
      seen.add(id);
      const through = from.kind === 'side' ? `.${from.side}` : '';
      for (const input of inputsOf(from)) visit(input, through);
    }
  };
  for (const input of inputsOf(node)) visit(input, '');
  return [...found].sort();
}
