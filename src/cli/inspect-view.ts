/** What is in a snapshot, for people. Pure. */
import type { EntryView } from '../archive/entries-view.js';
import type { OperatorSummary } from '../archive/summary.js';
import { formatBytes } from '../base/size.js';
import type { TableKind } from '../format/manifest.js';
import { type Paint, printable } from './printer.js';
import type { SnapshotSummary } from './snapshot-view.js';
import { type Column, properties, table } from './table.js';
import { ago, count, counted } from './text.js';

/** Splits shown per operator; the rest is counted. */
const MAX_SPLITS = 20;
const MAX_POSITION = 60;

const STATES: readonly Column[] = [
  { title: 'STATE' },
  { title: 'KIND' },
  { title: 'KEYS' },
  { title: 'CODEC' },
  { title: 'VERSION', right: true },
  { title: 'ENTRIES', right: true },
  { title: 'SIZE', right: true },
];

export function summaryView(label: string, summary: SnapshotSummary, paint: Paint, now: number): string {
  const { operators } = summary;
  const parts = [properties(head(label, summary, paint, now))];
  const states = operators.flatMap(stateRows);
  if (states.length > 0) parts.push(table(STATES, states));
  const timed = operators.some(({ splits }) => splits.some(({ timestamp }) => timestamp !== null));
  const splits = operators.flatMap((operator) => splitRows(operator, timed));
  const columns = ['SOURCE', 'SPLIT', ...(timed ? ['TIMESTAMP'] : []), 'POSITION', ''];
  if (splits.length > 0)
    parts.push(
      table(
        columns.map((title) => ({ title })),
        splits,
      ),
    );
  return parts.join('\n');
}

function head(
  label: string,
  summary: SnapshotSummary,
  paint: Paint,
  now: number,
): readonly (readonly [string, string])[] {
  const { archive, capabilities, job, provenance, totals } = summary;
  const can = [
    ['another parallelism', capabilities.rescale],
    ['a changed graph', capabilities.changeGraph],
    ['another backend', capabilities.changeBackend],
    ['a fork', capabilities.fork],
  ] as const;
  const drained = archive.drained ? ', drained' : '';
  const layout = archive.layout === 'native' ? `native, ${archive.mode}` : archive.layout;
  return [
    [archive.kind, paint.bold(printable(label))],
    ...(archive.signedBy === null ? [] : [['signed by', archive.signedBy] as const]),
    ['format', `version ${archive.formatVersion}, ${layout}${drained}, ${formatBytes(archive.bytes)}`],
    ['digest', archive.digest],
    [
      'job',
      `${printable(job.name)} (${job.id}) at checkpoint ${job.checkpointId}, parallelism ${job.parallelism}`,
    ],
    ...(provenance === null ? [] : provenancePairs(provenance, now)),
    ['restores to', ['the same job', ...can.flatMap(([what, yes]) => (yes ? [what] : []))].join(', ')],
    ['state', `${counted(totals.entries, 'row')}, ${formatBytes(totals.bytes)} before compression`],
    ...summary.operators.flatMap(({ uid, watermark }) =>
      watermark === null ? [] : [['watermark', `${printable(uid)}: ${watermarkText(watermark)}`] as const],
    ),
  ];
}

function provenancePairs(
  { time, host, toolVersion, reason, gitCommit }: NonNullable<SnapshotSummary['provenance']>,
  now: number,
): readonly (readonly [string, string])[] {
  const at = new Date(time).toISOString();
  return [
    ['taken', `${at} (${ago(at, now)}) on ${printable(host)} by tidemark ${printable(toolVersion)}`],
    ...(gitCommit === null ? [] : [['commit', printable(gitCommit)] as const]),
    ...(reason === null ? [] : [['reason', printable(reason)] as const]),
  ];
}

function watermarkText(watermark: number | 'end'): string {
  if (watermark === 'end') return 'end of time';
  return timeText(watermark);
}

/** A time of the state for people: ISO 8601 where a date can say it. */
function timeText(time: unknown): string {
  return typeof time === 'number' && Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : textOf(time);
}

function stateRows({ uid, keyType, states }: OperatorSummary): readonly (readonly string[])[] {
  return states.map(({ name, kind, codec, version, entries, bytes }) => [
    printable(`${uid}.${name === '' ? kind : name}`),
    kind,
    keyType ?? '-',
    printable(codec),
    String(version),
    count(entries),
    formatBytes(bytes),
  ]);
}

/** `timed`: with the greatest timestamp of each. */
function splitRows(
  { uid, splits, splitCount }: OperatorSummary,
  timed: boolean,
): readonly (readonly string[])[] {
  const shown = splits
    .slice(0, MAX_SPLITS)
    .map(({ id, position, done, timestamp }) => [
      printable(uid),
      printable(textOf(id)),
      ...(timed ? [timestamp === null ? '-' : timeText(timestamp)] : []),
      cut(printable(JSON.stringify(position)), MAX_POSITION),
      done === true ? 'done' : '',
    ]);
  const rest = splitCount - shown.length;
  return rest > 0 ? [...shown, [printable(uid), `… and ${count(rest)} more`]] : shown;
}

/** Characters of a value in a row of many; a value that stands alone is shown whole. */
const MAX_VALUE = 160;

export const ENTRY_COLUMNS: readonly Column[] = [
  { title: 'KEY GROUP', right: true },
  { title: 'KEY' },
  { title: 'AT' },
  { title: 'VALUE' },
];

/**
 * One entry as a row of {@link ENTRY_COLUMNS}; `AT`: window, map key or the time of a timer, where it has them. `kind` is of
 * its table, where that is known.
 */
export function entryRow(entry: EntryView, whole: boolean, kind?: TableKind): readonly string[] {
  const { keyGroup, key, namespace, mapKey, value, expires } = entry;
  const timer = kind === 'timer' || kind === 'event-timer';
  const at = [
    ...(namespace === null ? [] : [namespaceText(namespace)]),
    ...(mapKey === undefined ? [] : [timer || kind === 'in-flight' ? timeText(mapKey) : textOf(mapKey)]),
  ];
  const shown = timer ? '-' : printable(kind === 'watermark' ? timeText(value) : JSON.stringify(value));
  const until = expires === undefined ? '' : ` (expires ${timeText(expires)})`;
  return [
    keyGroup === null ? '-' : String(keyGroup),
    // Broadcast state has no keys; a key of its map stands in AT.
    keyGroup === null && key === null
      ? '-'
      : cut(printable(textOf(key)), whole ? Number.POSITIVE_INFINITY : MAX_VALUE),
    cut(printable(at.join(' ')), MAX_VALUE),
    cut(shown, whole ? Number.POSITIVE_INFINITY : MAX_VALUE) + until,
  ];
}

function namespaceText(namespace: EntryView['namespace']): string {
  if (typeof namespace !== 'object' || namespace === null || !('window' in namespace))
    return textOf(namespace);
  const { window } = namespace;
  return Array.isArray(window) ? window.map(timeText).join(' to ') : textOf(namespace);
}

/** Text as it is where that is no other JSON; the rest as JSON. */
function textOf(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  return /^[A-Za-z_/.][^\s"]*$/.test(value) && !/^(true|false|null)$/.test(value)
    ? value
    : JSON.stringify(value);
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}…`;
}
