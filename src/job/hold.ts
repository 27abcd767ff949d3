/**
 * The main thread's side of `savepoint --at`: waits until the splits of the attempt have come to the positions of an archive.
 *
 *     begun ──settled──▶ held ──barrier──▶ released
 *       └──refused, given up, time is up, attempt ended──▶ released
 *
 * Invariants: one at a time; whoever gives up releases what is held; with the attempt ends what it held.
 */
import { openArchive } from '../archive/read.js';
import type { Clock } from '../base/clock.js';
import type { Disk } from '../base/disk.js';
import { TidemarkError } from '../base/errors.js';
import type { HoldProgress } from '../runtime/hold.js';
import type { Table } from '../runtime/tables.js';
import { type Block, gather } from './gather.js';
import { keepTables } from './keep-tables.js';
import { type FromData, type HeldPlaces, RESTORE_BYTES, type ToData } from './protocol.js';

/** Where splits are to wait. */
export interface ArchivePlaces extends HeldPlaces {
  readonly path: string;
}

export interface HoldOptions {
  readonly clock: Clock;
  /** Milliseconds; undefined: as long as it takes. */
  readonly timeout: number | undefined;
  /** Whoever wants it has gone. */
  readonly gone: AbortSignal;
}

/** @throws what is wrong with the archive */
export async function placesIn(disk: Disk, path: string): Promise<ArchivePlaces> {
  const archive = await openArchive(disk, path);
  try {
    const { manifest } = archive;
    const wanted = manifest.tables.filter(({ kind }) => kind === 'splits' || kind === 'watermark');
    const tables = wanted.map(({ id }) => id);
    const found = keepTables(archive.blocks({ tables }), new Set(tables), path);
    const blocks: Block[] = [];
    for await (const block of gather(found, RESTORE_BYTES)) blocks.push(block);
    // Kinds that this version does not know hold no positions.
    return { path, tables: manifest.tables as readonly Table[], blocks };
  } finally {
    await archive.close();
  }
}

export class HoldWait {
  progress: HoldProgress = { splits: 0, arrived: 0, away: [] };
  readonly #id: number;
  readonly #outcome: Promise<void>;
  #settle: { resolve(): void; reject(error: TidemarkError): void } = { resolve: () => {}, reject: () => {} };

  constructor(id: number) {
    this.#id = id;
    this.#outcome = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever waits hears of it; nobody may be waiting any more.
    this.#outcome.catch(() => undefined);
  }

  /** Resolves once all wait. @throws POSITION_PASSED, INCOMPATIBLE, DRAINED, TIMEOUT, NO_ANSWER, CHECKPOINT_FAILED */
  async held(
    places: ArchivePlaces,
    send: (message: ToData) => void,
    { clock, timeout, gone }: HoldOptions,
  ): Promise<void> {
    const { path, tables, blocks } = places;
    const over = new AbortController();
    const onGone = () => this.#settle.reject(callerGone());
    gone.addEventListener('abort', onGone, { once: true });
    if (gone.aborted) onGone();
    else send({ type: 'hold', id: this.#id, tables, blocks });
    if (timeout !== undefined)
      void clock.sleep(timeout, over.signal).then(() => this.#settle.reject(this.#late(path)));
    try {
      await this.#outcome;
    } finally {
      over.abort();
      gone.removeEventListener('abort', onGone);
    }
  }

  hear(message: Extract<FromData, { readonly type: 'holding' | 'hold-refused' }>): void {
    if (message.id !== this.#id) return;
    if (message.type === 'hold-refused') return this.#settle.reject(TidemarkError.fromRecord(message.error));
    this.progress = message.progress;
    if (message.settled) this.#settle.resolve();
  }

  /** The attempt is over. */
  ended(): void {
    this.#settle.reject(attemptOver());
  }

  #late(path: string): TidemarkError {
    const { splits, arrived, away } = this.progress;
    const names =
      away.length === 0 ? '' : ` (${away.join(', ')}${splits - arrived > away.length ? ', …' : ''})`;
    const some = `${splits - arrived} of ${splits} splits${names} have not come to the positions of ${path}`;
    return new TidemarkError('TIMEOUT', `${some} in time; all go on`, {
      hint: 'a split that its input keeps waiting, or that is beyond its position, never comes there; else give a longer --timeout',
    });
  }
}

export function callerGone(): TidemarkError {
  return new TidemarkError('NO_ANSWER', 'the caller has gone');
}

export function attemptOver(): TidemarkError {
  const message = 'the attempt ended while its splits waited; nothing is held any more';
  return new TidemarkError('CHECKPOINT_FAILED', message, {
    hint: 'tidemark status <job> says why; then try again',
  });
}
