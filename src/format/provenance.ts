/** The member `provenance.json`: where an archive comes from. Two archives of one state may differ in this alone. */
import { assert } from '../base/assert.js';
import { JOB_ID } from '../base/ids.js';
import { parseJson } from './archive-manifest.js';
import { issueOf, name, parallelism, positive, sha256, text, time, v } from './checks.js';
import { MAX_OPERATORS } from './manifest.js';

export const MAX_PROVENANCE_BYTES = 4 * 1024 * 1024;
/** The most ancestors a state may name. */
export const MAX_LINEAGE = 16_384;
const MAX_TEXT = 4096;
const MAX_PARAM = 64 * 1024;

export interface Provenance {
  readonly job: { readonly id: string; readonly name: string };
  readonly attempt: number;
  readonly checkpointId: number;
  readonly parallelism: number;
  /** When it was taken, by the wall clock, milliseconds since 1970. */
  readonly time: number;
  /** Processing time at the barrier. */
  readonly barrierTime: number;
  readonly host: string;
  readonly toolVersion: string;
  /** What the person who took it said. */
  readonly reason: string | null;
  /** Values of it were written by no job, but by a map, by edits or by an import: nothing is known of them. */
  readonly edited?: true | undefined;
  /** Of the archive that the job was restored from. */
  readonly parentDigest: string | null;
  readonly bundleHash: string | null;
  readonly definitionFile: string | null;
  readonly gitCommit: string | null;
  /** Parameters as they were given, without secrets: what a restore takes where none are given. */
  readonly params: Readonly<Record<string, string>>;
  /** The folder that the job's relative paths are relative to. */
  readonly cwd: string;
  /** Whose transactions this state includes: all of `job` up to `checkpoint`, its own job's first. */
  readonly lineage: readonly { readonly job: string; readonly checkpoint: number }[];
  readonly targets: readonly { readonly sink: string; readonly target: string }[];
}

const long = v.pipe(v.string(), v.maxLength(MAX_TEXT));
const jobId = v.pipe(v.string(), v.regex(JOB_ID));

const schema = v.strictObject({
  job: v.strictObject({ id: jobId, name }),
  attempt: positive,
  checkpointId: positive,
  parallelism,
  time,
  barrierTime: time,
  host: long,
  toolVersion: long,
  reason: v.nullable(long),
  edited: v.optional(v.literal(true)),
  parentDigest: v.nullable(sha256),
  bundleHash: v.nullable(sha256),
  definitionFile: v.nullable(long),
  gitCommit: v.nullable(long),
  params: v.record(text, v.pipe(v.string(), v.maxLength(MAX_PARAM))),
  cwd: long,
  lineage: v.pipe(v.array(v.strictObject({ job: jobId, checkpoint: positive })), v.maxLength(MAX_LINEAGE)),
  targets: v.pipe(v.array(v.strictObject({ sink: name, target: long })), v.maxLength(MAX_OPERATORS)),
});

export function encodeProvenance(provenance: Provenance): Buffer {
  const checked = v.safeParse(schema, provenance);
  const wrong = checked.success ? undefined : issueOf(checked.issues);
  assert(checked.success, `a provenance that could not be read back: ${wrong}`);
  const bytes = Buffer.from(`${JSON.stringify(checked.output, undefined, 2)}\n`);
  assert(bytes.length <= MAX_PROVENANCE_BYTES, `a provenance of ${bytes.length} bytes`);
  return bytes;
}

export function readProvenance(
  bytes: Buffer,
): { readonly provenance: Provenance } | { readonly wrong: string } {
  const json = parseJson(bytes);
  if (json === undefined) return { wrong: 'it is no JSON' };
  const checked = v.safeParse(schema, json, { abortEarly: true });
  return checked.success ? { provenance: checked.output } : { wrong: issueOf(checked.issues) };
}
