import type { ErrorCode } from '../base/errors.js';

/** Failures that the same code on the same state meets again, whatever the restart strategy: no attempt follows. */
const FATAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'DEFINITION_INVALID',
  'GRAPH_INVALID',
  'PARAM_MISSING',
  'PARAM_INVALID',
  'PARAM_UNKNOWN',
  'INCOMPATIBLE',
  'SOURCE_CHANGED',
  'FORMAT_NEWER',
  'TARGET_LOCKED',
  'TARGET_AHEAD',
  'SNAPSHOT_GONE',
  'TARGET_CORRUPT',
  'SEGMENT_CORRUPT',
  'BUNDLE_CORRUPT',
  'CATALOG_CORRUPT',
  'STALE_EPOCH',
]);

export function isFatal(code: ErrorCode): boolean {
  return FATAL.has(code);
}
