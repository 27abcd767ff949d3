/** What a restore would do, for people: the plan one reads before it happens. Pure. */
import { formatBytes } from '../base/size.js';
import type { RestorePlan, SinkPlan } from '../job/restore.js';
import type { StatePlan } from '../restore/plan-states.js';
import { type Paint, printable } from './printer.js';
import { properties, table } from './table.js';
import { count, counted } from './text.js';

const SIGNS: Readonly<Record<StatePlan['action'], string>> = {
  kept: '=',
  unproven: '?',
  moved: '~',
  migrated: '^',
  new: '+',
  dropped: '-',
  impossible: '!',
};

/** What becomes of these is told before a real run, too. */
const TOLD: ReadonlySet<StatePlan['action']> = new Set(['dropped', 'moved', 'migrated']);

export function restoreView(plan: RestorePlan, paint: Paint): string {
  const parts = [properties(head(plan, paint))];
  const brush = brushes(paint);
  const states = plan.states.flatMap((state) =>
    stateRows(state, plan).map((row) => row.map(brush[state.action])),
  );
  const columns = ['', 'STATE', 'KIND', 'ENTRIES', 'SIZE', 'WHAT BECOMES OF IT'];
  const right = new Set(['ENTRIES', 'SIZE']);
  if (states.length > 0)
    parts.push(
      table(
        columns.map((title) => ({ title, right: right.has(title) })),
        states,
      ),
    );
  if (plan.sinks.length > 0) {
    const titles = ['SINK', 'MODE', 'TARGET', 'BEYOND THE SNAPSHOT'];
    parts.push(
      table(
        titles.map((title) => ({ title })),
        plan.sinks.map(sinkRow),
      ),
    );
  }
  parts.push(`${tally(plan)}\n`);
  return parts.join('\n');
}

/** The same in a few lines, for the run that follows at once. */
export function restoreLines(plan: RestorePlan): readonly string[] {
  const { snapshot, parallelism } = plan;
  const from = `${snapshot.job.name} at checkpoint ${snapshot.checkpointId}`;
  const rewound = plan.sinks.filter(({ mode, ahead }) => mode === 'rewind' && ahead > 0);
  return [
    `restoring ${plan.name} from ${snapshot.path} (${from}, ${counted(snapshot.entries, 'state row')})`,
    ...(plan.convert ? [`  converted to a savepoint first; ${snapshot.path} is not needed any more`] : []),
    `  at parallelism ${parallelismText(parallelism)}: ${tally(plan)}`,
    ...plan.states
      .filter(({ action }) => TOLD.has(action))
      .map(
        (state) =>
          `  ${SIGNS[state.action]} ${state.name}: ${becomes(state)}${state.action === 'dropped' ? lossText(state) : ''}`,
      ),
    ...rewound.map(({ uid, ahead }) => `  sink ${uid}: ${counted(ahead, 'later transaction')} set aside`),
  ].map(printable);
}

function head(plan: RestorePlan, paint: Paint): readonly (readonly [string, string])[] {
  const { snapshot, parallelism, params } = plan;
  const drained = snapshot.drained ? ', drained' : '';
  const what = `${snapshot.kind} of ${snapshot.job.name} (${snapshot.job.id}) at checkpoint ${snapshot.checkpointId}`;
  const given = Object.entries(params).map(([name, value]) => `${name}=${value}`);
  return [
    ['snapshot', paint.bold(printable(snapshot.path))],
    [
      '',
      printable(
        `${what}, ${layoutText(snapshot)}${drained}, ${counted(snapshot.entries, 'state row')}, ${formatBytes(snapshot.bytes)}`,
      ),
    ],
    // A checkpoint of a job has none before it is packed.
    ...(snapshot.digest === '' ? [] : [['digest', snapshot.digest] as const]),
    ...(plan.convert ? [['', 'is converted to a savepoint first, in the home'] as const] : []),
    ['job', paint.bold(printable(plan.name))],
    ['definition', `${printable(plan.definition)}  bundle ${plan.bundle.slice(0, 12)}`],
    ['parallelism', `${parallelismText(parallelism)} of at most ${plan.maxParallelism}`],
    ['backend', `${plan.settings.backend}, checkpoints ${plan.settings.checkpoint.mode}`],
    ...(given.length === 0 ? [] : [['params', printable(given.join(' '))] as const]),
  ];
}

function layoutText({ layout, mode, backend }: RestorePlan['snapshot']): string {
  return backend === null ? layout : `${layout} of the ${backend} backend, ${mode}`;
}

function parallelismText({ from, to }: RestorePlan['parallelism']): string {
  return from === to ? String(to) : `${from} → ${to}`;
}

/** A row, and one for the advice; that which several states share stands under the first. */
function stateRows(state: StatePlan, { states }: RestorePlan): readonly (readonly string[])[] {
  const { action, name, kind, entries, bytes, advice } = state;
  const sizes = action === 'new' ? ['', ''] : [count(entries), formatBytes(bytes)];
  const row = [SIGNS[action], printable(name), kind, ...sizes, printable(becomes(state))];
  if (advice === null || states.find((other) => other.advice === advice) !== state) return [row];
  return [row, ['', '', '', '', '', `  ${printable(advice)}`]];
}

/** What becomes of it, in words. */
function becomes({ action, message, unproven }: StatePlan): string {
  const said = message === null ? '' : `: ${message}`;
  switch (action) {
    case 'kept':
      return action;
    case 'unproven':
      return `${action}${said}${unproven === null ? '' : `: ${unproven}`}`;
    case 'moved':
    case 'migrated':
      return `${action}${said}${unproven === null ? '' : `; unproven: ${unproven}`}`;
    case 'dropped':
      return `left behind${said}`;
    default:
      return message ?? action;
  }
}

/** What is lost with what is left behind; nothing is said where that is nothing. */
function lossText({ entries, bytes }: Pick<StatePlan, 'entries' | 'bytes'>): string {
  return entries === 0
    ? ''
    : ` (${entries === 1 ? '1 entry' : `${count(entries)} entries`}, ${formatBytes(bytes)})`;
}

function sumOf(states: readonly StatePlan[]): Pick<StatePlan, 'entries' | 'bytes'> {
  const sum = (of: 'entries' | 'bytes') => states.reduce((total, state) => total + state[of], 0);
  return { entries: sum('entries'), bytes: sum('bytes') };
}

function sinkRow({ uid, mode, target, ahead }: SinkPlan): readonly string[] {
  const beyond = ahead === 0 ? '-' : counted(ahead, 'transaction');
  const shown = mode === 'rewind' && ahead > 0 ? `${beyond}, set aside` : beyond;
  return [printable(uid), mode, printable(target ?? '-'), mode === 'mute' ? 'not looked at' : shown];
}

/** `3 states kept, 1 moved, 1 new, 1 left behind` */
function tally({ states }: RestorePlan): string {
  const of = (action: StatePlan['action']) => states.filter((state) => state.action === action).length;
  const rest = [
    [of('unproven'), 'unproven'],
    [of('moved'), 'moved'],
    [of('migrated'), 'migrated'],
    [of('new'), 'new'],
    [of('dropped'), `left behind${lossText(sumOf(states.filter(({ action }) => action === 'dropped')))}`],
    [of('impossible'), 'that cannot be restored'],
  ] as const;
  return [
    `${counted(of('kept'), 'state')} kept`,
    ...rest.filter(([n]) => n > 0).map(([n, what]) => `${n} ${what}`),
  ].join(', ');
}

function brushes(paint: Paint): Readonly<Record<StatePlan['action'], (text: string) => string>> {
  return {
    kept: (text) => text,
    unproven: paint.yellow,
    moved: paint.cyan,
    migrated: paint.cyan,
    new: paint.green,
    dropped: paint.yellow,
    impossible: paint.red,
  };
}
