/** The tables of a canonical archive, and how those of the snapshot it is made from become them. */
import { canonicalOrder } from '../format/digest.js';
import { isKeyed, type ManifestOperator, type ManifestTable } from '../format/manifest.js';
import { snapshotCorrupt } from '../store/corrupt.js';
import type { SortRules } from '../store/sort-buffer.js';

export { snapshotCorrupt } from '../store/corrupt.js';

/** A table before it is known what it holds. */
export type TableShape = Omit<ManifestTable, 'entries' | 'bytes' | 'subtasks' | 'expiries'>;

export interface CanonicalTable extends TableShape {
  /** Key groups, or 1 for tables that have none. */
  readonly slots: number;
}

export interface TableList {
  readonly operators: readonly ManifestOperator[];
  /** In canonical order; `id` is the place in this list. */
  readonly tables: readonly CanonicalTable[];
  /** From the snapshot's table id to the canonical one; -1 for those that are left out. */
  readonly canonicalId: ReadonlyMap<number, number>;
  /** The snapshot's ids, by canonical id. */
  readonly nativeIds: readonly number[];
}

/** Sorts and numbers. Transactions are left out: an archive holds no output that is not committed. */
export function tableList(operators: readonly ManifestOperator[], shapes: readonly TableShape[]): TableList {
  const kept = shapes.filter(({ kind }) => kind !== 'transactions');
  const sorted = canonicalOrder(operators, kept);
  const slots = new Map(operators.map(({ uid, maxParallelism }) => [uid, maxParallelism]));
  const canonicalId = new Map(shapes.map(({ id }) => [id, -1]));
  const tables = sorted.tables.map((shape, place) => {
    canonicalId.set(shape.id, place);
    const { operator, name, kind, codec, schemaVersion, mapKey, window } = shape;
    // Named one by one: a snapshot's manifest says more of a table, and the order is that of the bytes.
    return {
      id: place,
      operator,
      name,
      kind,
      codec: { id: codec.id, version: codec.version },
      schemaVersion,
      mapKey,
      ...(window === undefined ? {} : { window }),
      slots: slotsOf(shape, slots),
    };
  });
  const nativeIds = sorted.tables.map(({ id }) => id);
  return { operators: sorted.operators.map(plainOperator), tables, canonicalId, nativeIds };
}

function plainOperator({
  uid,
  operatorId,
  kind,
  maxParallelism,
  keyType,
}: ManifestOperator): ManifestOperator {
  return { uid, operatorId, kind, maxParallelism, keyType };
}

/** How entries of a native snapshot are sorted into these tables; those expired by `expiredAt` are left out. */
export function canonicalRules({ tables, canonicalId }: TableList, expiredAt: bigint): SortRules {
  const shape = (id: number) => tables[id] as CanonicalTable;
  return {
    tombstones: false,
    expiredAt,
    sortedId(table) {
      const id = canonicalId.get(table);
      if (id === undefined) throw snapshotCorrupt(`an entry of table ${table}, which is not listed`);
      return id;
    },
    slots: (id) => shape(id).slots,
    label: (id) => tableLabel(shape(id)),
  };
}

export function slotsOf(
  { kind, operator }: Pick<TableShape, 'kind' | 'operator'>,
  maxParallelism: ReadonlyMap<string, number>,
): number {
  return isKeyed(kind) ? (maxParallelism.get(operator) ?? 1) : 1;
}

/** How messages call a table. */
export function tableLabel({ operator, name, kind }: Pick<TableShape, 'operator' | 'name' | 'kind'>): string {
  return `${operator}.${name === '' ? kind : name}`;
}
