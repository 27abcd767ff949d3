/** What `prune` shows. Pure. */
import { formatBytes } from '../base/size.js';
import type { Pruned } from '../checkpoint/prune.js';
import type { PlannedCheckpoint, PlannedSegment, PrunePlan } from '../checkpoint/prune-plan.js';
import { printable } from './printer.js';
import { table } from './table.js';
import { ago, counted } from './text.js';

const CHECKPOINTS = [
  { title: 'CHECKPOINT' },
  { title: '' },
  { title: 'COMPLETED' },
  { title: 'SIZE', right: true },
  { title: 'WHY' },
];
const SEGMENTS = [
  { title: 'SEGMENT' },
  { title: '' },
  { title: 'SIZE', right: true },
  { title: 'REFERENCES', right: true },
  { title: 'WHY' },
];
const FILES = [{ title: 'FILE' }, { title: '' }, { title: 'SIZE', right: true }, { title: 'WHY' }];

/** Characters of a segment's name that are shown. */
const NAME = 12;
const YOURS = 'they go when you name them, or by --keep-last N or --older-than DURATION';
/** References that are listed by name. */
const SHOWN = 3;

/** The document of `prune --json`. Of a run that was not dry, the plan is what was found before. */
export function pruneDocument(plan: PrunePlan, { busy, ...counts }: Pruned, dryRun: boolean): unknown {
  return {
    dryRun,
    removed: counts,
    checkpoints: plan.checkpoints.map(({ job, id, action, why, text, completedAt, bytes }) => ({
      job,
      checkpointId: id,
      action,
      why,
      text,
      completedAt: new Date(completedAt).toISOString(),
      bytes,
    })),
    segments: plan.segments.map(({ name, bytes, action, references, why }) => ({
      name,
      bytes,
      action,
      why,
      references,
    })),
    unfinished: plan.unfinished,
    bundles: plan.bundles,
    busy,
  };
}

/** What would go and what would stay, with the reason. */
export function planTables({ checkpoints, segments, unfinished, bundles }: PrunePlan, now: number): string {
  const files = [
    ...unfinished.map(({ path, bytes }) => [
      path,
      'drop',
      formatBytes(bytes),
      'half-written, and nobody goes on',
    ]),
    ...bundles.map(({ path, bytes }) => [path, 'drop', formatBytes(bytes), 'a definition that no job has']),
  ];
  return [
    ...(checkpoints.length === 0
      ? []
      : [
          table(
            CHECKPOINTS,
            checkpoints.map((one) => checkpointCells(one, now)),
          ),
        ]),
    ...(segments.length === 0 ? [] : [table(SEGMENTS, segments.map(segmentCells))]),
    ...(files.length === 0 ? [] : [table(FILES, files)]),
  ].join('\n');
}

function checkpointCells({ job, id, action, text, completedAt, bytes }: PlannedCheckpoint, now: number) {
  const when = ago(new Date(completedAt).toISOString(), now);
  return [`${job.name}@${id} (${job.id})`, action, when, formatBytes(bytes.total), printable(text)];
}

function segmentCells({ name, bytes, action, references, why }: PlannedSegment) {
  return [
    name.slice(0, NAME),
    action,
    formatBytes(bytes),
    String(references.length),
    segmentText(action, references, why),
  ];
}

function segmentText(
  action: PlannedSegment['action'],
  references: readonly string[],
  why: PlannedSegment['why'],
): string {
  if (action === 'keep') {
    const more = references.length - SHOWN;
    if (references.length === 0) return 'a running job uses it';
    return `${references.slice(0, SHOWN).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  }
  return why === 'leaked' ? 'leaked: nothing refers to it' : 'all that refer to it go';
}

/** One line: what went, or would go, and what is left to the user. */
export function prunedText(plan: PrunePlan, result: Pruned, dryRun: boolean): string {
  const parts = [
    [result.checkpoints, 'checkpoint'],
    [result.segments, 'segment'],
    [result.unfinished, 'unfinished file'],
    [result.bundles, 'unused bundle'],
    [result.leases, 'stale lease'],
    [result.pins, 'expired pin'],
  ] as const;
  const gone = parts.flatMap(([value, noun]) => (value === 0 ? [] : [counted(value, noun)]));
  const verb = dryRun ? 'would remove' : 'removed';
  const what = gone.length === 0 ? 'nothing' : `${gone.join(', ')}: ${formatBytes(result.bytes)}`;
  const yours = plan.checkpoints.filter(({ why }) => why === 'yours').length;
  const left = yours === 0 ? '' : `; ${counted(yours, 'checkpoint')} of jobs that ended kept: ${YOURS}`;
  return `${verb} ${what}${left}`;
}
