/**
 * The transactional ids of a sink: `tidemark/<job>/<uid>/<subtask>/<n>`.
 *
 * A job's id is unique and no uid holds a slash, so two jobs or two sinks never meet in one. An id is in use from the first
 * message of a transaction until that is committed; while one is prepared, the next takes another. So there are about two
 * for each subtask, and not one for each checkpoint (as Flink's `TransactionNamingStrategy.POOLING`).
 */
const PREFIX = 'tidemark';

export interface IdOwner {
  readonly job: string;
  readonly sink: string;
}

export function transactionalId({ job, sink }: IdOwner, subtask: number, n: number): string {
  return `${PREFIX}/${job}/${sink}/${subtask}/${n}`;
}

/** Tells the ids of one sink of one job, of any subtask, from all others. */
export function isIdOf({ job, sink }: IdOwner, id: string): boolean {
  const start = `${PREFIX}/${job}/${sink}/`;
  return id.startsWith(start) && /^\d{1,10}\/\d{1,10}$/.test(id.slice(start.length));
}

/** Which ids the subtasks of one attempt use: writers take them, the committer gives them back. */
export class IdPool {
  readonly #owner: IdOwner;
  readonly #used = new Set<string>();

  constructor(owner: IdOwner) {
    this.#owner = owner;
  }

  take(subtask: number): string {
    for (let n = 0; ; n++) {
      const id = transactionalId(this.#owner, subtask, n);
      if (this.#used.has(id)) continue;
      this.#used.add(id);
      return id;
    }
  }

  give(id: string): void {
    this.#used.delete(id);
  }
}
