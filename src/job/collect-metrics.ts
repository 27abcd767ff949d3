/** Reads the metrics of a running dataflow. */
import { operatorId } from '../base/operator-id.js';
import type { EntryWriter } from '../format/entry.js';
import { END_OF_TIME as LAST_TIME } from '../format/watermark.js';
import type { GraphNode } from '../graph/node.js';
import { AsyncOperator } from '../runtime/async-map.js';
import { type Compiled, isKeyed } from '../runtime/compile.js';
import { END_OF_TIME, NO_WATERMARK } from '../runtime/event-time.js';
import type { KeyedOperator } from '../runtime/operator.js';
import type { SourceSubtask } from '../runtime/source.js';
import { isTimer } from '../runtime/tables.js';
import type { OperatorMetrics, SplitMetrics, SubtaskMetrics } from './metrics.js';

/** Splits shown per subtask; a source of a million files must not fill the control channel. */
const MAX_SPLITS_SHOWN = 1000;

/** How large state is, as far as snapshots have shown. */
export interface Sizes {
  /** Bytes of one table in key groups `start` to `end`, which now hold `entries`. */
  bytesOf(table: number, start: number, end: number, entries: number): number;
}

/** What the entries that were written so far took on average: where snapshots hold only what changed. */
export class MeanSizes implements Sizes {
  readonly #entries = new Map<number, number>();
  readonly #bytes = new Map<number, number>();

  add(out: Pick<EntryWriter, 'bytesOf' | 'entriesOf'>, tables: readonly { readonly id: number }[]): void {
    for (const { id } of tables) {
      this.#entries.set(id, (this.#entries.get(id) ?? 0) + out.entriesOf(id));
      this.#bytes.set(id, (this.#bytes.get(id) ?? 0) + out.bytesOf(id));
    }
  }

  bytesOf(table: number, _start: number, _end: number, entries: number): number {
    const written = this.#entries.get(table) ?? 0;
    return written === 0 ? 0 : Math.round((entries * (this.#bytes.get(table) ?? 0)) / written);
  }
}

export function collectOperators(
  compiled: Compiled,
  liveSinks: boolean,
  sizes: Sizes | undefined,
  now: number,
): readonly OperatorMetrics[] {
  return compiled.graph.nodes.flatMap((node) => {
    const instances = compiled.instances.get(node.id);
    if (instances === undefined) return [];
    const operators = 'uid' in node ? compiled.processes.get(node.uid) : undefined;
    const subtasks = instances.map((counted, subtask): SubtaskMetrics => {
      const operator = operators?.[subtask];
      return {
        subtask,
        keyGroups: operator === undefined ? null : { start: operator.range.start, end: operator.range.end },
        in: counted.in,
        out: counted.out,
        ...stateOf(compiled, node, operator, sizes),
        ...timeOf(compiled.watermarks.of(node.id), now),
        late: operator?.late ?? null,
        inFlight: counted instanceof AsyncOperator ? counted.inFlight : null,
        splits: 'splits' in counted ? splitsOf(counted as SourceSubtask) : [],
      };
    });
    return [
      {
        uid: compiled.names[node.id] ?? node.kind,
        kind: node.kind,
        operatorId: 'uid' in node ? operatorId(node.uid) : null,
        maxParallelism: compiled.maxParallelism,
        keyType: keyTypeOf(compiled, node),
        delivery: node.kind === 'sink' ? deliveryOf(node.sink.committer !== undefined && liveSinks) : null,
        subtasks,
      },
    ];
  });
}

function deliveryOf(transactional: boolean): 'exactly-once' | 'at-least-once' {
  return transactional ? 'exactly-once' : 'at-least-once';
}

function keyTypeOf(compiled: Compiled, node: GraphNode): string | null {
  if (!isKeyed(node)) return null;
  const keyBy = compiled.graph.nodes[node.input];
  return keyBy?.kind === 'keyBy' ? keyBy.codec.id : null;
}

function stateOf(
  compiled: Compiled,
  node: GraphNode,
  operator: KeyedOperator | undefined,
  sizes: Sizes | undefined,
): Pick<SubtaskMetrics, 'stateEntries' | 'stateBytes' | 'timers'> {
  if (operator === undefined || !isKeyed(node)) return { stateEntries: 0, stateBytes: 0, timers: 0 };
  const counts = new Map(operator.backend.counts().map(({ table, entries }) => [table, entries]));
  const { start, end } = operator.range;
  let stateEntries = 0;
  let stateBytes = 0;
  let timers = 0;
  for (const table of compiled.tables) {
    if (table.operator !== node.uid) continue;
    const entries = counts.get(table.id) ?? 0;
    if (isTimer(table.kind)) timers += entries;
    else stateEntries += entries;
    stateBytes += sizes?.bytesOf(table.id, start, end, entries) ?? 0;
  }
  return { stateEntries, stateBytes, timers };
}

function splitsOf(source: SourceSubtask): readonly SplitMetrics[] {
  return source.splits.slice(0, MAX_SPLITS_SHOWN).map(({ id, position, state, read, time }) => ({
    id,
    position: plain(position),
    state,
    read,
    timestamp: time.greatest === NO_WATERMARK ? null : time.greatest,
  }));
}

/** JSON has no infinities. */
const SHOWN_END = Number(LAST_TIME);

function timeOf(watermark: number | undefined, now: number): Pick<SubtaskMetrics, 'watermark' | 'lagMs'> {
  if (watermark === undefined || watermark === NO_WATERMARK) return { watermark: null, lagMs: null };
  if (watermark === END_OF_TIME) return { watermark: SHOWN_END, lagMs: null };
  return { watermark, lagMs: Math.max(0, now - watermark) };
}

/** A position as JSON, whatever the source made it of. */
function plain(position: unknown): unknown {
  try {
    const text = JSON.stringify(position, (_, value) => (typeof value === 'bigint' ? `${value}n` : value));
    return text === undefined ? null : JSON.parse(text);
  } catch {
    return String(position);
  }
}
