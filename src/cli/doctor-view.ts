/** What `doctor` shows. Pure, but for the colours it is given. */
import { formatBytes } from '../base/size.js';
import type { Finding, Health, JobUsage } from '../checkpoint/health.js';
import { type Paint, printable } from './printer.js';
import { properties, table } from './table.js';
import { counted } from './text.js';

/** Free space below which a checkpoint may not fit, whatever the state. */
const LOW_BYTES = 256 * 1024 * 1024;
/** Copies of the largest job's checkpoints that should fit: a full one beside the last, and a merge. */
const COPIES = 2;

export interface DiskSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** The document of `doctor --json`. */
export interface Doctor extends Health {
  /** No finding is an error. */
  readonly ok: boolean;
  readonly home: string;
  readonly versions: { readonly tidemark: string; readonly node: string; readonly sqlite: string | null };
  readonly disk: DiskSpace;
}

/** Tells when the next checkpoints may not fit. */
export function diskFinding(disk: DiskSpace, jobs: readonly JobUsage[]): Finding | undefined {
  const largest = Math.max(0, ...jobs.map(({ retainedBytes }) => retainedBytes));
  const wanted = Math.max(LOW_BYTES, COPIES * largest);
  if (disk.freeBytes >= wanted) return undefined;
  const what = `${formatBytes(disk.freeBytes)} are free on the home's disk; ${formatBytes(wanted)} would be safe`;
  return {
    code: 'DISK_LOW',
    severity: 'warning',
    what,
    hint: 'free some space, or see tidemark prune --dry-run',
  };
}

export function doctorText({ home, versions, disk, segments, jobs }: Doctor): string {
  const { tidemark, node, sqlite } = versions;
  const facts = properties([
    ['home', home],
    ['versions', `tidemark ${tidemark}, Node ${node}${sqlite === null ? '' : `, SQLite ${sqlite}`}`],
    ['disk', `${formatBytes(disk.freeBytes)} free of ${formatBytes(disk.totalBytes)}`],
    ['segments', `${counted(segments.count, 'file')}, ${formatBytes(segments.bytes)}`],
  ]);
  const holding = jobs.filter(({ checkpoints }) => checkpoints > 0);
  if (holding.length === 0) return facts;
  const columns = [
    { title: 'JOB' },
    { title: 'STATE' },
    { title: 'CHECKPOINTS', right: true },
    { title: 'RETAINED', right: true },
  ];
  const rows = holding.map(({ name, id, state, checkpoints, retainedBytes }) => [
    `${printable(name)} (${id})`,
    state,
    String(checkpoints),
    formatBytes(retainedBytes),
  ]);
  return `${facts}\n${table(columns, rows)}`;
}

export function findingLines(findings: readonly Finding[], paint: Paint): string {
  if (findings.length === 0) return '\nhealthy\n';
  const brushes = { error: paint.red, warning: paint.yellow, info: paint.dim };
  const lines = findings.map(({ code, severity, what, hint }) => {
    const line = `${brushes[severity](severity)} ${code}: ${printable(what)}`;
    return hint === null ? line : `${line}\n  ${paint.dim(`hint: ${hint}`)}`;
  });
  const worst = findings.some(({ severity }) => severity === 'error')
    ? ''
    : '\nhealthy: nothing is missing or damaged';
  return `\n${lines.join('\n')}${worst}\n`;
}
