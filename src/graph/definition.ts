/** What `defineJob` makes and the loader looks for. Branded by symbol, not by class: see `isDefinition`. */
import type { Graph } from './node.js';
import type { ParamDeclarations } from './param.js';
import type { SettingsDeclaration } from './settings.js';

export const DEFINITION = Symbol.for('tidemark.definition');

export interface Definition {
  readonly [DEFINITION]: 1;
  readonly name: string;
  readonly params: ParamDeclarations;
  readonly settings: SettingsDeclaration;
  /** Builds the dataflow anew. `params` are resolved already. Throws GRAPH_INVALID with all findings. */
  build(params: Readonly<Record<string, unknown>>): Graph;
}

/** True for a definition of any copy of the library. */
export function isDefinition(value: unknown): value is Definition {
  return typeof value === 'object' && value !== null && DEFINITION in value && value[DEFINITION] === 1;
}
