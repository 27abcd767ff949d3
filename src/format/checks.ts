/** The one place of valibot, and the shapes that every JSON document of ours has in common. */
import * as v from 'valibot';
import { MAX_PARALLELISM } from '../base/key-groups.js';
import { MAX_KEY_TYPE_ID } from '../codec/keys.js';

export { v };

/** The longest uid, state name, job name or codec id, in UTF-16 units. */
export const MAX_NAME_LENGTH = 255;

export const text = v.pipe(v.string(), v.maxLength(MAX_NAME_LENGTH));
export const name = v.pipe(text, v.minLength(1));
export const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const positive = v.pipe(whole, v.minValue(1));
export const time = v.pipe(v.number(), v.safeInteger());
export const parallelism = v.pipe(positive, v.maxValue(MAX_PARALLELISM));
export const keyType = v.nullable(v.pipe(v.string(), v.regex(/^[a-z(),]+$/), v.maxLength(MAX_KEY_TYPE_ID)));
/** A SHA-256 in lower-case hex. */
export const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

/** The first thing that is wrong, with its path. */
export function issueOf(issues: readonly [v.BaseIssue<unknown>, ...unknown[]]): string {
  const [issue] = issues;
  const path = v.getDotPath(issue as v.InferIssue<v.GenericSchema>);
  return path === null ? issue.message : `${path}: ${issue.message}`;
}
