/**
 * What a definition does not say of a state it takes: then nobody but its code knows whether the values fit, and a plan
 * calls it unproven. Pure.
 */
import type { NewOperator, NewTable } from './compatible.js';
import { isAuto } from './key-types.js';
import { isKeyed } from './shape.js';

/** Undefined where all types are declared. */
export function undeclared(table: NewTable, { keyType }: Pick<NewOperator, 'keyType'>): string | undefined {
  const found = [
    ...(table.typed ? [] : ['no schema']),
    ...(isKeyed(table) && isAuto(keyType) ? ['keys of type auto'] : []),
    ...(isAuto(table.mapKey) && table.ownMapKeys !== true ? ['map keys of type auto'] : []),
  ];
  return found.length === 0 ? undefined : found.join(', ');
}
