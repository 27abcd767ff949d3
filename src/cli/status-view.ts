/** A job's status for people. Pure. */
import { formatDuration } from '../base/duration.js';
import { formatBytes } from '../base/size.js';
import type { OperatorMetrics, SubtaskMetrics } from '../job/metrics.js';
import type { StatusDocument } from '../job/status.js';
import { whereLines } from './exit.js';
import { type Paint, printable } from './printer.js';
import { savingText } from './saving-text.js';
import { properties, table } from './table.js';
import { ago, checkpointText, count, counted, stateText } from './text.js';

/** Splits shown per operator; the rest is counted. */
const MAX_SPLITS = 20;
const MAX_POSITION = 60;
/** Milliseconds from which an event time is taken for the end of time. */
const LAST_DATE = 8_640_000_000_000_000;

const COLUMNS = [
  { title: 'OPERATOR' },
  { title: 'SUBTASK', right: true },
  { title: 'KEY GROUPS' },
  { title: 'IN', right: true },
  { title: 'OUT', right: true },
  { title: 'ENTRIES', right: true },
  { title: 'STATE', right: true },
  { title: 'TIMERS', right: true },
  { title: 'WATERMARK' },
];
/** Where calls are made that answer later. */
const IN_FLIGHT = { title: 'IN FLIGHT', right: true };
/** Where event time is used. */
const TIME_COLUMNS = [
  { title: 'LAG', right: true },
  { title: 'LATE', right: true },
];

export function statusView(status: StatusDocument, paint: Paint, now: number): string {
  const parts = [properties(head(status, paint, now))];
  if (status.error !== null) parts.push(errorPart(status.error, paint));
  if (status.operators.length > 0) parts.push(operatorTable(status.operators));
  const splits = splitTable(status.operators);
  if (splits !== undefined) parts.push(splits);
  return parts.join('\n');
}

function storeText({ segments, bytes, merges, flushes }: NonNullable<StatusDocument['store']>): string {
  const merged =
    merges.count === 0 ? '' : `, ${counted(merges.count, 'merge')} wrote ${formatBytes(merges.bytesWritten)}`;
  const flushed = flushes === 0 ? '' : `, ${count(flushes)} ${flushes === 1 ? 'flush' : 'flushes'}`;
  return `${counted(segments, 'segment')}, ${formatBytes(bytes)}${merged}${flushed}`;
}

function head(status: StatusDocument, paint: Paint, now: number): readonly (readonly [string, string])[] {
  const ended = status.endedBy === null ? '' : ` (by ${status.endedBy})`;
  const saving = savingText(status);
  const params = Object.entries(status.params).map(([name, value]) => `${name}=${value}`);
  return [
    ['job', `${paint.bold(printable(status.name))}  ${status.id}`],
    ['state', stateText(status.state, paint) + ended],
    ['started', ago(status.startedAt, now)],
    ...(status.endedAt === null ? [] : [['ended', ago(status.endedAt, now)] as const]),
    ['restarts', String(status.restarts)],
    ['elements', `${count(status.elements)} in attempt ${status.epoch}, ${count(status.rate)}/s`],
    ['checkpoint', checkpointText(status.lastCheckpoint, now)],
    ...(status.store === null ? [] : [['store', storeText(status.store)] as const]),
    ['parallelism', `${status.parallelism} of at most ${status.maxParallelism}`],
    ['definition', `${printable(status.definition)}  bundle ${status.bundle.slice(0, 12)}`],
    ...(params.length === 0 ? [] : [['params', printable(params.join(' '))] as const]),
    ['folder', printable(status.cwd)],
    ...(status.pid === null ? [] : [['process', `${status.pid}, ${status.socket ?? 'no socket'}`] as const]),
    ...(saving === undefined ? [] : [['savepoint', saving] as const]),
    ...(status.droppedTimers === 0
      ? []
      : [['timers', `${count(status.droppedTimers)} dropped at the end`] as const]),
  ];
}

function errorPart(error: NonNullable<StatusDocument['error']>, paint: Paint): string {
  const lines = [...whereLines(error), ...(error.hint === undefined ? [] : [`  hint: ${error.hint}`])];
  const first = `${paint.red('error:')} ${printable(error.message)} (${error.code})`;
  return [first, ...lines.map(printable), ''].join('\n');
}

function operatorTable(operators: readonly OperatorMetrics[]): string {
  const flights = operators.some(({ subtasks }) =>
    subtasks.some(({ inFlight }) => (inFlight ?? null) !== null),
  );
  const timed = operators.some(({ subtasks }) =>
    subtasks.some(({ watermark, late }) => (watermark ?? null) !== null || (late ?? null) !== null),
  );
  const rows = operators.flatMap((operator) =>
    operatorRows(operator).map((row, at) => {
      const subtask = operator.subtasks[at];
      return [...row, ...(flights ? [inFlightCell(subtask)] : []), ...(timed ? timeCells(subtask) : [])];
    }),
  );
  return table([...COLUMNS, ...(flights ? [IN_FLIGHT] : []), ...(timed ? TIME_COLUMNS : [])], rows);
}

function inFlightCell(subtask: SubtaskMetrics | undefined): string {
  const inFlight = subtask?.inFlight ?? null;
  return inFlight === null ? '-' : count(inFlight);
}

/** What an attempt of an older version kept says nothing of either. */
function timeCells(subtask: SubtaskMetrics | undefined): readonly string[] {
  const lag = subtask?.lagMs ?? null;
  const late = subtask?.late ?? null;
  return [lag === null ? '-' : formatDuration(lag), late === null ? '-' : count(late)];
}

function operatorRows(operator: OperatorMetrics): readonly (readonly string[])[] {
  return operator.subtasks.map((subtask, at) => [
    at === 0 ? printable(operator.uid) : '',
    String(subtask.subtask),
    subtask.keyGroups === null ? '-' : `${subtask.keyGroups.start}–${subtask.keyGroups.end}`,
    count(subtask.in),
    count(subtask.out),
    count(subtask.stateEntries),
    formatBytes(subtask.stateBytes),
    count(subtask.timers),
    timeText(subtask.watermark),
  ]);
}

function timeText(time: number | null): string {
  if (time === null) return '-';
  if (time >= LAST_DATE) return 'end of time';
  return time <= -LAST_DATE ? 'none yet' : new Date(time).toISOString();
}

/** With the greatest timestamp of each split where there are any: it shows which one holds event time back. */
function splitTable(operators: readonly OperatorMetrics[]): string | undefined {
  const timed = operators.some(({ subtasks }) =>
    subtasks.some(({ splits }) => splits.some(({ timestamp }) => (timestamp ?? null) !== null)),
  );
  const rows = operators.flatMap((operator) => splitRows(operator, timed));
  if (rows.length === 0) return undefined;
  const titles = ['SOURCE', 'SPLIT', 'STATE', ...(timed ? ['TIMESTAMP'] : []), 'POSITION'];
  return table(
    titles.map((title) => ({ title })),
    rows,
  );
}

function splitRows(operator: OperatorMetrics, timed: boolean): readonly (readonly string[])[] {
  const all = operator.subtasks.flatMap((subtask: SubtaskMetrics) => subtask.splits);
  const shown = all
    .slice(0, MAX_SPLITS)
    .map((split) => [
      printable(operator.uid),
      printable(split.id),
      split.state,
      ...(timed ? [timeText(split.timestamp ?? null)] : []),
      printable(JSON.stringify(split.position) ?? '-').slice(0, MAX_POSITION),
    ]);
  const rest = all.length - shown.length;
  return rest > 0 ? [...shown, [printable(operator.uid), `… and ${count(rest)} more`]] : shown;
}

/** `12s` between two times; for the line that ends a job. */
export function span(from: string | null, to: string | null): string {
  return from === null || to === null ? '0ms' : formatDuration(Date.parse(to) - Date.parse(from));
}
