/** What `rewrite` says of what it has done. Pure. */
import type { Rewritten } from '../rewrite/rewrite.js';
import type { OperatorReport, StateReport } from '../rewrite/rewrite-report.js';
import { table } from './table.js';
import { count } from './text.js';

const COLUMNS = [
  { title: 'STATE' },
  { title: 'BEFORE', right: true },
  { title: 'AFTER', right: true },
  { title: 'REMOVED', right: true },
  { title: 'CHANGED', right: true },
  { title: 'ADDED', right: true },
  { title: 'MOVED', right: true },
  { title: '' },
];

/** The document of `rewrite --json`; `path` is null where nothing was written. */
export function rewriteDocument(
  { prepared, provenance, report }: Rewritten,
  path: string | null,
): Readonly<Record<string, unknown>> {
  return {
    path,
    kind: 'savepoint',
    layout: 'canonical',
    digest: prepared?.digest ?? null,
    bytes: prepared?.bytes ?? null,
    checkpointId: provenance.checkpointId,
    parentDigest: provenance.parentDigest,
    reason: provenance.reason,
    dryRun: prepared === undefined,
    ...report,
  };
}

/** A row for each state, and what became of operators. */
export function rewriteTable({ report }: Rewritten): string {
  const rows = report.states.map((state) => [
    state.name ?? state.from,
    ...[state.before, state.after].map(count),
    ...[state.removed, state.changed, state.added, state.moved].map((some) =>
      some === 0 ? '-' : count(some),
    ),
    fate(state),
  ]);
  const operators = report.operators.flatMap(operatorLine);
  return `${table(COLUMNS, rows)}${operators.map((line) => `${line}\n`).join('')}`;
}

function fate({ name, from }: StateReport): string {
  if (name === null) return 'dropped';
  return name === from ? '' : `was ${from}`;
}

function operatorLine({ uid, from, maxParallelism }: OperatorReport): string[] {
  if (uid === null) return [`${from}: dropped`];
  const { from: before, to } = maxParallelism;
  return to === null || to === before ? [] : [`${uid}: ${count(to)} key groups, were ${count(before)}`];
}
