/**
 * What a rewrite is to do, held against the manifest before anything is read: all that is wrong at once. Pure.
 *
 * Order of application: drop, rename, filter, map, edits, re-key. Drops and renames name what the archive holds;
 * filters and maps, what it will be called.
 */
import { valuesOf } from '../archive/entries-view.js';
import { MAX_PARALLELISM } from '../base/key-groups.js';
import { operatorId } from '../base/operator-id.js';
import type { ArchiveManifest, ArchiveOperator } from '../format/archive-manifest.js';
import { isKeyed, type ManifestOperator, type ManifestTable } from '../format/manifest.js';
import type { Findings } from './findings.js';
import { cutAtEquals, labelOf, unknownOperator, unknownState } from './names.js';
import { type NameProblem, type Renames, readRenames } from './rename.js';

/** As it was typed. */
export interface RewriteRequest {
  /** `uid` or `uid.state` */
  readonly drop: readonly string[];
  /** `old=new` */
  readonly rename: readonly string[];
  /** `uid.state=SQL` */
  readonly filter: readonly string[];
  /** `uid.state=module.ts` */
  readonly map: readonly string[];
  readonly maxParallelism: string | undefined;
}

/** What becomes of one table of the archive. Its entries carry `before.id`, before and after. */
export interface TablePlan {
  readonly before: ManifestTable;
  /** With its new names; undefined where it is dropped, or not to be in any savepoint. */
  readonly table: ManifestTable | undefined;
  /** Its operator: new name, old maxParallelism. */
  readonly operator: ManifestOperator;
  /** SQL expressions; entries for which all are true stay. */
  readonly filters: readonly string[];
  /** The file of a module. */
  readonly map: string | undefined;
  /** Whether its entries belong to key groups that change. */
  readonly rekey: boolean;
}

export interface RewritePlan {
  /** As the result has them. */
  readonly operators: readonly ManifestOperator[];
  readonly tables: readonly TablePlan[];
  readonly maxParallelism: number | undefined;
  readonly renames: Renames;
  /** Operators that are not dropped, as the archive calls them. */
  readonly keptUids: readonly string[];
}

/** A plan; it may be carried out where nothing was added to `findings`. */
export function planRewrite(
  manifest: Pick<ArchiveManifest, 'operators' | 'tables'>,
  request: RewriteRequest,
  nameProblem: NameProblem,
  findings: Findings,
): RewritePlan {
  const dropped = readDrops(request.drop, manifest, findings);
  const operators = manifest.operators.filter(({ uid }) => !dropped.operators.has(uid));
  // Transactions are in no savepoint.
  const tables = manifest.tables.filter(
    (table) => table.kind !== 'transactions' && !dropped.tables.has(table.id),
  );
  const uids = operators.map(({ uid }) => uid);
  const renames = readRenames(request.rename, uids, tables, nameProblem, findings);
  const renamed = tables.map((table) => ({
    ...table,
    operator: renames.operator(table.operator),
    name: renames.state(table),
  }));
  const maxParallelism = readParallelism(request.maxParallelism, findings);
  const filters = readAssignments('--filter', 'SQL', request.filter, renamed, findings);
  const maps = readMaps(request.map, renamed, findings);
  const byUid = new Map(manifest.operators.map((operator) => [operator.uid, operator]));
  return {
    operators: operators.map((operator) =>
      changedOperator(operator, renames, maxParallelism ?? operator.maxParallelism),
    ),
    tables: manifest.tables.map((before) => {
      const table = renamed.find(({ id }) => id === before.id);
      const old = byUid.get(before.operator) as ArchiveOperator;
      return {
        before,
        table,
        operator: changedOperator(old, renames, old.maxParallelism),
        filters: filters.get(before.id) ?? [],
        map: maps.get(before.id),
        rekey: maxParallelism !== undefined && maxParallelism !== old.maxParallelism && isKeyed(before.kind),
      };
    }),
    maxParallelism,
    renames,
    keptUids: uids,
  };
}

function readParallelism(text: string | undefined, findings: Findings): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= MAX_PARALLELISM) return value;
  findings.add('USAGE', `--max-parallelism: expected 1 to ${MAX_PARALLELISM}, found ${JSON.stringify(text)}`);
  return undefined;
}

function changedOperator(
  { kind, keyType, uid }: ArchiveOperator,
  renames: Renames,
  maxParallelism: number,
): ManifestOperator {
  const name = renames.operator(uid);
  return { uid: name, operatorId: operatorId(name), kind, maxParallelism, keyType };
}

function readDrops(
  texts: readonly string[],
  { operators, tables }: Pick<ArchiveManifest, 'operators' | 'tables'>,
  findings: Findings,
): { readonly operators: ReadonlySet<string>; readonly tables: ReadonlySet<number> } {
  const uids = new Set<string>();
  const ids = new Set<number>();
  for (const text of texts) {
    if (text.includes('.')) {
      const named = tables.filter((table) => labelOf(table) === text);
      if (named.length === 0) findings.add('STATE_NOT_FOUND', `--drop: ${unknownState(text, tables)}`);
      for (const { id } of named) ids.add(id);
    } else {
      const known = operators.map(({ uid }) => uid);
      if (!known.includes(text)) findings.add('STATE_NOT_FOUND', `--drop: ${unknownOperator(text, known)}`);
      uids.add(text);
      for (const { id, operator } of tables) if (operator === text) ids.add(id);
    }
  }
  return { operators: uids, tables: ids };
}

/** `uid.state=right`, by table id. */
function readAssignments(
  option: string,
  what: string,
  texts: readonly string[],
  tables: readonly ManifestTable[],
  findings: Findings,
): Map<number, string[]> {
  const found = new Map<number, string[]>();
  for (const text of texts) {
    const cut = cutAtEquals(text, (left) => tables.some((table) => labelOf(table) === left));
    if (cut === undefined || cut.right.trim() === '') {
      findings.add('USAGE', `${option} ${text}: expected uid.state=${what}`);
      continue;
    }
    const named = tables.filter((table) => labelOf(table) === cut.left);
    if (named.length === 0) findings.add('STATE_NOT_FOUND', `${option}: ${unknownState(cut.left, tables)}`);
    for (const { id } of named) found.set(id, [...(found.get(id) ?? []), cut.right]);
  }
  return found;
}

function readMaps(
  texts: readonly string[],
  tables: readonly ManifestTable[],
  findings: Findings,
): Map<number, string> {
  const maps = new Map<number, string>();
  for (const [id, files] of readAssignments('--map', 'module.ts', texts, tables, findings)) {
    const table = tables.find((one) => one.id === id) as ManifestTable;
    const [file = '', ...more] = files;
    // Of what shares a name, only what has values is mapped.
    if (table.kind === 'timer' || table.kind === 'event-timer') {
      const other = tables.some((one) => labelOf(one) === labelOf(table) && one.id !== id);
      if (!other) findings.add('USAGE', `--map: ${labelOf(table)} holds timers, which have no values`);
      continue;
    }
    if (more.length > 0) findings.add('USAGE', `--map: ${labelOf(table)} is mapped twice`);
    if (valuesOf(table) === undefined)
      findings.add(
        'USAGE',
        `--map: values of ${labelOf(table)} are of codec ${table.codec.id}, which only its job knows`,
      );
    maps.set(id, file);
  }
  return maps;
}
