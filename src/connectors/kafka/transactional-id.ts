/**
 * The transactional ids of a sink: `tidemark/<job>/<uid>/<attempt>/<subtask>/<n>`.
 *
 * A job's id is unique and no uid holds a slash, so two jobs or two sinks never meet in one. Nor do two attempts: what a
 * killed process has sent, and arrives late, can only harm itself. An id is in use from the first message of a transaction
 * until that is committed; while one is prepared, the next takes another. So there are about two for each subtask of an
 * attempt, and not one for each checkpoint (as Flink's `TransactionNamingStrategy.POOLING`).
 */
const PREFIX = 'tidemark';

export interface IdOwner {
  readonly job: string;
  readonly sink: string;
}

export function transactionalId({ job, sink }: IdOwner, attempt: number, subtask: number, n: number): string {
  return `${PREFIX}/${job}/${sink}/${attempt}/${subtask}/${n}`;
}

/** The attempt whose id this is; undefined for ids that are none of this sink of this job. */
export function attemptOf({ job, sink }: IdOwner, id: string): number | undefined {
  const start = `${PREFIX}/${job}/${sink}/`;
  const [, attempt] =
    /^(\d{1,15})\/\d{1,10}\/\d{1,10}$/.exec(id.startsWith(start) ? id.slice(start.length) : '') ?? [];
  return attempt === undefined ? undefined : Number(attempt);
}

/** Which ids the subtasks of one attempt use: writers take them, the committer gives them back. */
export class IdPool {
  readonly #owner: IdOwner;
  readonly #attempt: number;
  readonly #used = new Set<string>();

  constructor(owner: IdOwner, attempt: number) {
    this.#owner = owner;
    this.#attempt = attempt;
  }

  take(subtask: number): string {
    for (let n = 0; ; n++) {
      const id = transactionalId(this.#owner, this.#attempt, subtask, n);
      if (this.#used.has(id)) continue;
      this.#used.add(id);
      return id;
    }
  }

  give(id: string): void {
    this.#used.delete(id);
  }
}
