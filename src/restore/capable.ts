/**
 * May this snapshot be restored like this? Pure: what its manifest says it can, against what is asked for. A command
 * obeys the manifest, never the name of the file.
 *
 *     another parallelism                    needs rescale         else RESCALE_REFUSED
 *     another graph or state schema          needs changeGraph     else GRAPH_CHANGED
 *     another backend                        needs changeBackend   else BACKEND_CHANGED
 *
 * What a snapshot cannot do, it can once it is converted; whether its state fits the graph at all is another question
 * (compatible.ts).
 */
import type { ErrorCode } from '../base/errors.js';
import { graphChanges, type SameGraph } from './graph-change.js';

export interface CapableSnapshot extends SameGraph {
  readonly capabilities: {
    readonly rescale: boolean;
    readonly changeGraph: boolean;
    readonly changeBackend: boolean;
  };
  readonly mode: 'full' | 'incremental';
  /** Null for a snapshot that belongs to none. */
  readonly backend: 'memory' | 'disk' | null;
  readonly parallelism: number;
}

export interface Asked {
  readonly parallelism: number;
  readonly backend: 'memory' | 'disk';
  readonly graph: SameGraph;
}

export interface Incapability {
  readonly code: Extract<ErrorCode, 'RESCALE_REFUSED' | 'GRAPH_CHANGED' | 'BACKEND_CHANGED'>;
  /** What was asked, and what the snapshot can do instead. */
  readonly message: string;
}

/** Changes of a graph that are listed by name; the rest are counted. */
const SHOWN = 10;

/** All that is asked and cannot be; `label` is what messages call the snapshot. */
export function incapabilities(
  label: string,
  snapshot: CapableSnapshot,
  asked: Asked,
): readonly Incapability[] {
  const { capabilities, parallelism, backend } = snapshot;
  const found: Incapability[] = [];
  const refuse = (code: Incapability['code'], wanted: string, can: string) =>
    found.push({ code, message: `${label}: ${wanted}; ${mode(snapshot)} restores ${can}` });
  if (asked.parallelism !== parallelism && !capabilities.rescale)
    refuse(
      'RESCALE_REFUSED',
      `parallelism ${asked.parallelism} is asked for`,
      `at parallelism ${parallelism}, that of its job, only`,
    );
  const changes = capabilities.changeGraph ? [] : graphChanges(snapshot, asked.graph);
  if (changes.length > 0)
    refuse('GRAPH_CHANGED', `the graph is another (${listed(changes)})`, 'with the same graph only');
  if (backend !== null && asked.backend !== backend && !capabilities.changeBackend)
    refuse(
      'BACKEND_CHANGED',
      `the ${asked.backend} backend is asked for`,
      `on the ${backend} backend, that of its job, only`,
    );
  return found;
}

function mode(snapshot: CapableSnapshot): string {
  return snapshot.mode === 'incremental' ? 'an incremental checkpoint' : 'it';
}

function listed(changes: readonly string[]): string {
  const rest = changes.length - SHOWN;
  return [...changes.slice(0, SHOWN), ...(rest > 0 ? [`and ${rest} more`] : [])].join(', ');
}
