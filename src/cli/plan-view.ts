/** What a definition would run, for people. Pure. */
import { formatDuration } from '../base/duration.js';
import { formatBytes } from '../base/size.js';
import type {
  AsyncDescription,
  NodeDescription,
  StateDescription,
  TimeDescription,
} from '../graph/describe.js';
import type { AssignerDescription, WindowDescription } from '../graph/describe-window.js';
import type { JobSettings, RestartSettings } from '../graph/settings.js';
import type { DescribedParam } from '../job/describe-worker.js';
import { type Paint, printable } from './printer.js';
import { properties, table } from './table.js';

export interface Plan {
  readonly name: string;
  readonly definition: string;
  readonly bundle: string;
  readonly inputs: readonly string[];
  readonly external: readonly string[];
  readonly params: readonly DescribedParam[];
  readonly settings: JobSettings | null;
  readonly replayable: boolean;
  readonly nodes: readonly NodeDescription[];
}

export function planView(plan: Plan, paint: Paint): string {
  const parts = [
    properties(head(plan, paint)),
    table(
      [{ title: '' }, { title: 'OPERATOR' }, { title: 'DOES' }],
      plan.nodes.map((node) => nodeRow(node, plan.nodes)),
    ),
  ];
  const states = plan.nodes.flatMap(stateRows);
  if (states.length > 0) {
    const expire = plan.nodes.some((node) => node.states?.some(({ ttl }) => ttl !== undefined));
    const titles = ['STATE', 'KIND', 'CODEC', 'VERSION', ...(expire ? ['LIVES'] : [])];
    const columns = titles.map((title) => ({ title }));
    parts.push(table(columns, states));
  }
  if (plan.params.length > 0) {
    const columns = ['PARAMETER', 'KIND', 'DEFAULT'].map((title) => ({ title }));
    parts.push(table(columns, plan.params.map(paramRow)));
  }
  if (plan.settings !== null) parts.push(properties(settingPairs(plan.settings)));
  if (!plan.replayable)
    parts.push(
      paint.yellow(
        'A source cannot be read again: what it gave after the last checkpoint is lost in a failure.\n',
      ),
    );
  return parts.join('\n');
}

function head(plan: Plan, paint: Paint): readonly (readonly [string, string])[] {
  return [
    ['job', paint.bold(printable(plan.name))],
    ['definition', printable(plan.definition)],
    [
      'bundle',
      `${plan.bundle.slice(0, 12)}, of ${plan.inputs.length} file${plan.inputs.length === 1 ? '' : 's'}`,
    ],
    ...(plan.external.length === 0 ? [] : [['not bundled', printable(plan.external.join(', '))] as const]),
  ];
}

function nodeRow(node: NodeDescription, all: readonly NodeDescription[]): readonly string[] {
  const inputs = node.inputs.length === 0 ? '' : `${node.inputs.join(', ')} → `;
  const unused = node.side !== undefined && !all.some((other) => other.inputs.includes(node.id));
  return [`${inputs}${node.id}`, printable(node.name), `${printable(does(node))}${unused ? ', unused' : ''}`];
}

function does(node: NodeDescription): string {
  const { source, sink } = node;
  if (source !== undefined) {
    return [
      `source: ${source.describe ?? source.kind}`,
      ...(source.rate === undefined ? [] : [`${source.rate}/s`]),
      ...(source.replayable ? [] : ['cannot be read again']),
    ].join(', ');
  }
  if (sink !== undefined) return `sink: ${sink.describe ?? sink.kind}, ${sink.delivery}`;
  if (node.side !== undefined) return `side output ${node.side}`;
  if (node.time !== undefined) return timeText(node.time);
  const timers = (node.timers ?? []).map(({ name, time }) => `${name} (${time} time)`);
  return [
    node.keyType === undefined ? node.kind : `${kindText(node)} by ${node.keyType}`,
    ...joinText(node),
    ...(node.window === undefined ? [] : [windowText(node.window, node.join === undefined)]),
    ...(node.async === undefined ? [] : [asyncText(node.async)]),
    ...(node.broadcast === undefined ? [] : [`with ${node.broadcast} broadcast to it`]),
    ...(timers.length === 0 || node.join !== undefined ? [] : [`timers: ${timers.join(', ')}`]),
    ...(node.formerly === undefined || node.formerly.length === 0
      ? []
      : [`formerly ${node.formerly.join(', ')}`]),
  ].join('; ');
}

function kindText({ kind, join }: NodeDescription): string {
  if (join === undefined) return kind;
  return `${join.type === 'left' ? 'left ' : ''}${kind === 'window' ? 'window' : 'interval'} join`;
}

function joinText({ right, join }: NodeDescription): readonly string[] {
  if (right === undefined) return [];
  const { lower, upper } = join ?? {};
  const between =
    lower === undefined || upper === undefined ? [] : [`${signedText(lower)} to ${signedText(upper)}`];
  return [`with ${right} on the right`, ...between];
}

function signedText(ms: number): string {
  return `${ms < 0 ? '-' : ms > 0 ? '+' : ''}${formatDuration(Math.abs(ms))}`;
}

function timeText({ outOfOrderness, idle, inTurn }: TimeDescription): string {
  return [
    outOfOrderness === 0
      ? 'timestamps, in order'
      : `timestamps, up to ${formatDuration(outOfOrderness)} out of order`,
    ...(idle === undefined ? [] : [`idle after ${formatDuration(idle)}`]),
    ...(inTurn ? ['one split after the other'] : []),
  ].join(', ');
}

/** `tells`: what gives the results; of a join that is the join. */
function windowText(
  { assign, lateness, trigger, function: gives, slice }: WindowDescription,
  tells: boolean,
) {
  return [
    assignText(assign),
    ...(lateness === 0 ? [] : [`lateness ${formatDuration(lateness)}`]),
    ...(trigger === 'eventTime' ? [] : [`trigger ${trigger}`]),
    ...(tells ? [gives] : []),
    ...(slice === undefined ? [] : [`in slices of ${formatDuration(slice)}`]),
  ].join(', ');
}

function asyncText({ ordered, capacity, timeout, attempts, fallback }: AsyncDescription): string {
  return [
    ordered ? 'in order' : 'in any order',
    `up to ${capacity} calls a subtask`,
    `${formatDuration(timeout)} each`,
    ...(attempts === 1 ? [] : [`up to ${attempts} tries`]),
    ...(fallback ? ['with a fallback'] : []),
  ].join(', ');
}

function assignText(assign: AssignerDescription): string {
  switch (assign.kind) {
    case 'tumbling':
      return `tumbling ${formatDuration(assign.size)}${offsetText(assign.offset)}`;
    case 'sliding':
      return `sliding ${formatDuration(assign.size)} by ${formatDuration(assign.slide)}${offsetText(assign.offset)}`;
    case 'session':
      return assign.gap === null
        ? 'sessions, gaps of their own'
        : `sessions ${formatDuration(assign.gap)} apart`;
    case 'global':
      return 'global';
  }
}

function offsetText(offset: number): string {
  if (offset === 0) return '';
  return ` from ${offset < 0 ? '-' : '+'}${formatDuration(Math.abs(offset))}`;
}

function stateRows(node: NodeDescription): readonly (readonly string[])[] {
  return (node.states ?? []).map((state) => [
    printable(state.name === '' ? node.name : `${node.name}.${state.name}`),
    state.kind,
    state.codec,
    String(state.version),
    livesText(state),
  ]);
}

function livesText({ ttl }: StateDescription): string {
  if (ttl === undefined) return '';
  return `${formatDuration(ttl.after)} after it was ${ttl.refresh === 'read' ? 'set or read' : 'set'}`;
}

function paramRow(param: DescribedParam): readonly string[] {
  const fallback = param.default === undefined ? 'must be given' : JSON.stringify(param.default);
  return [param.name, param.kind, printable(param.env === undefined ? fallback : `from $${param.env}`)];
}

function settingPairs(settings: JobSettings): readonly (readonly [string, string])[] {
  const { checkpoint, heap } = settings;
  const interval =
    checkpoint.interval === 0 ? 'only when asked' : `every ${formatDuration(checkpoint.interval)}`;
  return [
    ['parallelism', `${settings.parallelism} of at most ${settings.maxParallelism}`],
    [
      'backend',
      settings.backend === 'disk' ? `disk, ${formatBytes(settings.cache)} of it in memory` : settings.backend,
    ],
    [
      'checkpoints',
      `${interval}, ${checkpoint.mode}, ${checkpoint.retain} kept; on cancel: ${checkpoint.onCancel}, on failure: ${checkpoint.onFailure}`,
    ],
    ['restart', restartText(settings.restart)],
    ['step timeout', formatDuration(settings.stepTimeout)],
    ...(heap === undefined ? [] : [['heap', `${heap} MiB`] as const]),
    ['sinks', settings.sinks],
  ];
}

function restartText(restart: RestartSettings): string {
  switch (restart.strategy) {
    case 'none':
      return 'none';
    case 'fixed-delay':
      return `after ${formatDuration(restart.delay)}, ${restart.attempts} times`;
    case 'exponential-delay':
      return `after ${formatDuration(restart.initial)} to ${formatDuration(restart.maximum)}, ${restart.attempts} times without a new checkpoint`;
    case 'failure-rate':
      return `after ${formatDuration(restart.delay)}, unless ${restart.failures} failures in ${formatDuration(restart.window)}`;
  }
}
