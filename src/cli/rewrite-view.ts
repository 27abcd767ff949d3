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

/** A row for each state that does not stay as it was, and what became of operators. */
export function rewriteTable({ report }: Rewritten): string {
  const other = report.states.filter(isOther);
  const rows = other.map((state) => [
    state.name ?? state.from,
    ...[state.before, state.after].map(count),
    ...[state.removed, state.changed, state.added, state.moved].map((some) =>
      some === 0 ? '-' : count(some),
    ),
    fate(state),
  ]);
  const same = report.states.length - other.length;
  const lines = [
    ...operatorLines(report.operators),
    ...(same === 0 ? [] : [sameLine(same, rows.length > 0)]),
  ];
  return `${rows.length === 0 ? '' : table(COLUMNS, rows)}${lines.map((line) => `${line}\n`).join('')}`;
}

function isOther({ name, from, removed, changed, added, moved }: StateReport): boolean {
  return name !== from || removed + changed + added + moved > 0;
}

function sameLine(states: number, more: boolean): string {
  const stay = states === 1 ? 'state stays as it is' : 'states stay as they are';
  return `${count(states)} ${more ? 'more ' : ''}${stay}`;
}

function fate({ name, from }: StateReport): string {
  if (name === null) return 'dropped';
  return name === from ? '' : `was ${from}`;
}

/** Where all have the same number of key groups before and after, they need no names. */
function operatorLines(operators: readonly OperatorReport[]): readonly string[] {
  const dropped = operators.filter(({ uid }) => uid === null).map(({ from }) => `${from}: dropped`);
  const groups = operators.flatMap(groupsOf);
  const [first, ...others] = groups;
  const alike = first !== undefined && others.every(({ text }) => text === first.text);
  const all = groups.length === operators.length - dropped.length;
  return [...dropped, ...(alike && all ? [first.text] : groups.map(({ uid, text }) => `${uid}: ${text}`))];
}

function groupsOf({ uid, maxParallelism: { from, to } }: OperatorReport) {
  if (uid === null || to === null || to === from) return [];
  return [{ uid, text: `${count(to)} key groups, were ${count(from)}` }];
}
