/** Where an archive comes from, as its provenance says: a savepoint's, or an externalized checkpoint's. */
import { hostname } from 'node:os';
import type { JobRecord, LineageEntry } from '../catalog/records.js';
import type { Provenance } from '../format/provenance.js';
import type { SinkTarget } from './protocol.js';
import { TOOL_VERSION } from './tool-version.js';

export interface ProvenanceParts {
  readonly job: JobRecord;
  /** The attempt that took the checkpoint. */
  readonly attempt: number;
  readonly checkpointId: number;
  readonly barrierTime: number;
  readonly parallelism: number;
  readonly reason: string | undefined;
  /** What the sinks write to, as far as it is known without running the job's code. */
  readonly targets: readonly SinkTarget[];
  /** Now, milliseconds since 1970. */
  readonly time: number;
}

export async function provenanceOf(parts: ProvenanceParts): Promise<Provenance> {
  const { job, attempt, checkpointId, barrierTime, parallelism, targets, time } = parts;
  return {
    job: { id: job.id, name: job.name },
    attempt,
    checkpointId,
    parallelism,
    time,
    barrierTime,
    host: hostname(),
    toolVersion: TOOL_VERSION,
    reason: parts.reason ?? null,
    parentDigest: job.origin?.digest ?? null,
    bundleHash: job.bundle,
    definitionFile: job.definition,
    gitCommit: job.gitCommit ?? null,
    lineage: lineageOf(job, checkpointId),
    targets,
    params: job.params,
    cwd: job.cwd,
  };
}

/** Whose transactions a state of this job includes, its own first. */
function lineageOf(job: JobRecord, checkpoint: number): readonly LineageEntry[] {
  return [{ job: job.id, checkpoint }, ...(job.origin?.lineage ?? [])];
}
