/** What to write so that old state fits: a line of code, or a command. Pure. */
import type { CodecId } from '../codec/codec.js';
import type { SnapshotTable } from './shape.js';
import { isTimer, nameOf } from './shape.js';

type Named = Pick<SnapshotTable, 'operator' | 'name' | 'kind'>;

/** Codecs that come with tidemark, as definitions name them. */
const BUILT_IN: ReadonlySet<string> = new Set(['value', 'json', 'number', 'string', 'bytes']);

/** How a window declares what its panes keep. */
const WINDOW_FUNCTION: Readonly<Record<string, string>> = {
  reducing: 'reduce',
  aggregating: 'aggregate',
  list: 'apply',
};

export function kind(was: Named, is: Pick<SnapshotTable, 'window'>): string {
  const made = is.window === undefined ? undefined : WINDOW_FUNCTION[was.kind];
  if (made !== undefined) return `go back to ${made} in ${was.operator}, or give the window another uid`;
  if (isTimer(was)) {
    const time = was.kind === 'timer' ? 'processing' : 'event';
    return `go back to timers: { ${was.name}: '${time}' }, or give the new timer another name`;
  }
  return `go back to ${was.name}: ${declaration(was)}, or give the new state another name`;
}

export function keyType(was: string, uid: string): string {
  return `go back to keyBy(…, ${keyTypeCode(was)}), or give ${uid} another uid`;
}

export function windows(was: Named): string {
  return `give the new windows another uid, and leave the open ones of ${was.operator} behind with --drop ${was.operator}; or stop with --drain, which closes them`;
}

export function mapKey({ name, mapKey: type }: Pick<SnapshotTable, 'name' | 'mapKey'>): string | null {
  return type === null ? null : `go back to keys: ${keyTypeCode(type)} in ${name}`;
}

/** A way across, or the version that reads it. */
export function codec(was: Named & { readonly codec: CodecId }, is: { readonly codec: CodecId }): string {
  const { id, version } = was.codec;
  if (id === is.codec.id)
    return `give codec ${id} version ${version} again, whose decode reads older versions, too`;
  return `add was: [${codecCode(id)}] to the options of ${was.name === '' ? was.operator : was.name}`;
}

export function schema(was: SnapshotTable, is: Pick<SnapshotTable, 'schemaVersion'>): string {
  const steps = was.schemaVersion - is.schemaVersion;
  const next = steps === 1 ? 'the .next(…) that is' : `the ${steps} .next(…) that are`;
  return `add ${next} missing to the schema of ${nameOf(was)}, up to version ${was.schemaVersion}`;
}

/** For what is in the way of another state that has its place. */
export function onePlace(was: Named, is: Named): string {
  return `take its name out of the formerly of ${nameOf(is)}, or leave it behind with --drop ${nameOf(was)}`;
}

export function renamed(old: string, now: string, formerly: readonly string[]): string {
  const names = [...formerly, old].map((name) => `'${name}'`).join(', ');
  return `looks like it was renamed to ${now}: add formerly: [${names}] to ${now}`;
}

/** Timers know no former names. */
export function renamedTimer(was: Named, now: Named): string {
  return `looks like it was renamed to ${nameOf(now)}: call it ${was.name} again, or: tidemark rewrite FILE --rename ${nameOf(was)}=${now.name} -o NEW.tar`;
}

/** As definitions write it: `key.tuple(key.string, key.long)`. */
export function keyTypeCode(id: string): string {
  return id.replace(/[a-z]+/g, 'key.$&').replaceAll(',', ', ');
}

function codecCode(id: string): string {
  return BUILT_IN.has(id) ? `codec.${id}` : `the codec ${id}`;
}

function declaration({ kind: of }: Named): string {
  if (of === 'number') return 'state.number(…)';
  if (of === 'operator-list') return 'state.operatorList(…)';
  if (of === 'operator-union') return 'state.operatorUnion(…)';
  return `state.${of}(…)`;
}
