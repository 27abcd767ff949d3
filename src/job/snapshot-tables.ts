/** A snapshot's tables, as the data thread is told of them: with the type of the keys that each is kept by. Pure. */
import type { ManifestOperator, ManifestTable } from '../format/manifest.js';
import type { Table } from '../runtime/tables.js';

export function withKeyTypes(
  tables: readonly ManifestTable[],
  operators: readonly Pick<ManifestOperator, 'uid' | 'keyType'>[],
): readonly Table[] {
  const types = new Map(operators.map(({ uid, keyType }) => [uid, keyType]));
  return tables.map((table) => ({ ...table, keyType: types.get(table.operator) ?? null }));
}
