/**
 * Collects the nodes of one dataflow while a definition's `build` runs.
 *
 * Invariants: a node's id is its place in `nodes`; inputs precede their users. Nothing here throws for what the
 * definition got wrong: that becomes a finding, so that all of them can be told at once (check.ts adds the rest).
 */
import { show } from './names.js';
import type { Graph, GraphNode } from './node.js';

export interface UidOptions {
  /** uids the source or sink had before; what is stored under them is found on restore. */
  readonly formerly?: readonly string[];
}

export class GraphBuilder {
  readonly #nodes: GraphNode[] = [];
  readonly #findings: string[] = [];

  /** Makes the next node; `make` is given its id, and returns it with that id. */
  add(make: (id: number) => GraphNode): number {
    const id = this.#nodes.length;
    this.#nodes.push(make(id));
    return id;
  }

  /** Notes what is wrong, where the node alone would not show it. */
  find(finding: string): void {
    this.#findings.push(finding);
  }

  /** Notes what is wrong with an operator. Without a uid all that was given is one place off: check.ts says so, and that is enough. */
  findIn(what: string, uid: unknown, findings: readonly string[]): void {
    if (typeof uid !== 'string') return;
    for (const finding of findings) this.find(`${what} ${show(uid)}: ${finding}`);
  }

  /** Notes an argument that is no function; only plain JavaScript can bring one. */
  expectFunction(value: unknown, where: string): void {
    if (typeof value !== 'function') this.find(`${where} expects a function, found ${show(value)}`);
  }

  get findings(): readonly string[] {
    return this.#findings;
  }

  graph(): Graph {
    return { nodes: [...this.#nodes] };
  }
}
