/** Adds the node of a keyed operator, whichever streams reach it, to the graph under construction. */
import type { GraphBuilder } from './builder.js';
import type { ProcessNode } from './node.js';
import type { ProcessSpec } from './process.js';
import { ProcessStream } from './stream.js';

/** The streams that reach it. */
type Inputs = Pick<ProcessNode, 'input' | 'broadcast' | 'right'>;

interface AnySpec {
  readonly formerly?: readonly string[];
  readonly sides?: object;
}

/** `O` and `D` are what the spec emits, and its side outputs. From plain JavaScript `spec` may be absent: that is a finding. */
export function addProcess<O, D>(
  graph: GraphBuilder,
  inputs: Inputs,
  uid: string,
  spec: AnySpec | undefined,
): ProcessStream<O, D> {
  const node = graph.add((id) => ({
    id,
    kind: 'process',
    uid,
    formerly: spec?.formerly ?? [],
    ...inputs,
    spec: spec as unknown as ProcessSpec<unknown, unknown>,
  }));
  return new ProcessStream<O, D>(graph, node, Object.keys(spec?.sides ?? {}));
}
