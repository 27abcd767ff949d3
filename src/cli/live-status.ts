/** The status of a job: asked of its process where that answers, else as the catalog has it. */
import { TidemarkError } from '../base/errors.js';
import type { Catalog } from '../catalog/catalog.js';
import { isLive } from '../catalog/job-state.js';
import type { JobRecord } from '../catalog/records.js';
import { callControl } from '../control/client.js';
import { keptMetrics, type StatusDocument, statusDocument } from '../job/status.js';

/** Milliseconds that a process has for answering; its main thread computes nothing. */
const STATUS_TIMEOUT = 5_000;

export interface Status {
  readonly document: StatusDocument;
  /** Why the numbers are not those of the running process, when it should have given them. */
  readonly stale: string | undefined;
}

export async function readStatus(catalog: Catalog, reference: string): Promise<Status> {
  const job = catalog.job(reference);
  if (!isLive(job.state) || job.socket === undefined)
    return { document: fromCatalog(catalog, job), stale: undefined };
  try {
    const answer = await callControl(job.socket, 'GET', '/v1/status', undefined, STATUS_TIMEOUT);
    if (isStatusOf(answer, job.id)) return { document: answer, stale: undefined };
    throw new TidemarkError('NO_ANSWER', 'another process answers at its socket');
  } catch (error) {
    // It may have ended between the two looks; then the catalog knows better.
    const now = catalog.job(job.id);
    const stale = isLive(now.state) && error instanceof Error ? error.message : undefined;
    return { document: fromCatalog(catalog, now), stale };
  }
}

function fromCatalog(catalog: Catalog, job: JobRecord): StatusDocument {
  return statusDocument(job, catalog.latestCheckpoint(job.id), keptMetrics(job));
}

function isStatusOf(answer: unknown, id: string): answer is StatusDocument {
  return (
    typeof answer === 'object' &&
    answer !== null &&
    'id' in answer &&
    answer.id === id &&
    'operators' in answer &&
    Array.isArray(answer.operators)
  );
}
