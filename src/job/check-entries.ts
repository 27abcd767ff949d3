/**
 * The check of a snapshot's entries in the data thread: each goes the way of a restore, and what is refused is noted,
 * not thrown, so that one look finds all that is wrong.
 *
 * Invariants: what is remembered is bounded, what is counted is not; bytes that are damaged are no finding of a check
 * but the end of it.
 */
import { TidemarkError } from '../base/errors.js';
import { ValueRefused } from '../codec/codec.js';
import { ByteReader } from '../codec/reader.js';
import type { Entry } from '../format/entry.js';
import type { Graph } from '../graph/node.js';
import { type BackendFactory, isKeyed } from '../runtime/compile.js';
import type { Dataflow } from '../runtime/dataflow.js';
import { EntryRefused } from '../runtime/entry-refused.js';
import { matchTable, type Table, tablesOf } from '../runtime/tables.js';
import { isUnkeyedState, unkeyedDeclarations } from '../runtime/unkeyed.js';
import type { Where } from '../runtime/where.js';
import { checkingBackend, checkValue, type Declared } from './checking-backend.js';
import type { CheckedEntries, RefusedEntry } from './protocol.js';
import { userFrame } from './user-frame.js';

/** Refused entries of a table that are shown; the others are counted. */
const MAX_SHOWN = 10;

/** A backend for the dataflow of a check. */
export function backendFor(graph: Graph): BackendFactory {
  return checkingBackend(declaredValues(graph, tablesOf(graph)));
}

/** What the values of keyed tables are held against, by table. */
function declaredValues(graph: Graph, tables: readonly Table[]): ReadonlyMap<number, Declared> {
  const found = new Map<number, Declared>();
  for (const { id, operator, name, kind } of tables) {
    const node = graph.nodes.find((one) => isKeyed(one) && one.uid === operator);
    if (node?.kind === 'window' && kind !== 'value')
      found.set(id, { schema: node.spec.keeps.schema, list: kind === 'list' });
    const declared = node?.kind === 'process' ? node.spec.state?.[name] : undefined;
    if (declared !== undefined && declared.kind === kind)
      found.set(id, { schema: declared.schema, list: kind === 'list' });
  }
  return found;
}

export class EntryCheck {
  readonly #dataflow: Dataflow;
  readonly #graph: Graph;
  readonly #where: Pick<Where, 'at' | 'enter' | 'leave'>;
  /** By table of the snapshot; `node`: of the operator that takes it. */
  readonly #found = new Map<
    number,
    { readonly node: number; looked: number; refused: number; shown: RefusedEntry[] }
  >();

  constructor(dataflow: Dataflow, graph: Graph, where: Pick<Where, 'at' | 'enter' | 'leave'>) {
    this.#dataflow = dataflow;
    this.#graph = graph;
    this.#where = where;
  }

  take(entry: Entry, tables: readonly Table[]): void {
    const found = this.#of(entry.table, tables);
    found.looked++;
    this.#where.at(found.node, 0);
    // The step timeout is that of one entry, however many come at once.
    this.#where.leave();
    this.#where.enter();
    try {
      this.#dataflow.restore(entry, tables);
      this.#unkeyed(entry, tables[entry.table]);
    } catch (error) {
      const refused = refusalOf(error, entry);
      found.refused++;
      if (found.shown.length < MAX_SHOWN) found.shown.push(refused);
    }
  }

  /** All that was found, and what the sources say to their positions. */
  async found(): Promise<CheckedEntries> {
    const tables = [...this.#found].map(([table, { node: _node, ...found }]) => ({ table, ...found }));
    return { tables, splits: await this.#dataflow.refusedSplits() };
  }

  /** State without keys is taken by the real operators, which look at values only where their version has changed. */
  #unkeyed(entry: Entry, theirs: Table | undefined): void {
    if (theirs === undefined || !isUnkeyedState(theirs.kind)) return;
    const ours = matchTable(this.#graph, this.#dataflow.tables, theirs);
    const node = this.#graph.nodes.find((one) => 'uid' in one && one.uid === ours?.operator);
    if (ours === undefined || node === undefined || ours.schemaVersion !== theirs.schemaVersion) return;
    const { codec, schema } = unkeyedDeclarations(node)[ours.name] ?? {};
    if (codec === undefined || codec.id !== theirs.codec.id || codec.version !== theirs.codec.version) return;
    checkValue({ schema, list: false }, codec.read(new ByteReader(entry.value)));
  }

  #of(table: number, tables: readonly Table[]) {
    const before = this.#found.get(table);
    if (before !== undefined) return before;
    const theirs = tables[table];
    const ours = theirs === undefined ? undefined : matchTable(this.#graph, this.#dataflow.tables, theirs);
    const node = this.#graph.nodes.find((one) => 'uid' in one && one.uid === ours?.operator);
    const found = { node: node?.id ?? 0, looked: 0, refused: 0, shown: [] };
    this.#found.set(table, found);
    return found;
  }
}

/** What is said of an entry that is refused. @throws the error when it is of another kind */
function refusalOf(error: unknown, { group, key, mapKey }: Entry): RefusedEntry {
  if (error instanceof EntryRefused || error instanceof ValueRefused) {
    const { path, reason } = error instanceof EntryRefused ? error.refusal : error;
    // Of what user code threw: a step, a codec of the definition's own.
    const at = userFrame(error)?.at;
    return { group, key, mapKey, path, reason: at === undefined ? reason : `${reason} (${at})` };
  }
  if (error instanceof TidemarkError && error.code === 'INCOMPATIBLE')
    return { group, key, mapKey, path: '', reason: error.message };
  throw error;
}
