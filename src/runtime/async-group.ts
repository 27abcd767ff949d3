/**
 * All subtasks of one `asyncMap`: what they share, and their elements in flight as state.
 *
 *     restored: [0: a b] [1: c] [2: d]     at parallelism 2: [0: a b d] [1: c]
 *
 * A former subtask's elements stay together and in their order, so that those of one split do.
 */
import { present } from '../base/assert.js';
import { TidemarkError } from '../base/errors.js';
import { BytesDamaged, ValueRefused } from '../codec/codec.js';
import { keyCodecById } from '../codec/keys.js';
import { ByteReader } from '../codec/reader.js';
import { ByteWriter } from '../codec/writer.js';
import type { Entry, EntryWriter } from '../format/entry.js';
import { timerKey } from '../format/timer-key.js';
import type { AsyncMapNode } from '../graph/node.js';
import { AsyncOperator, type AsyncParts, type AsyncShared } from './async-map.js';
import { NO_WATERMARK } from './event-time.js';
import type { Table } from './tables.js';
import type { UnkeyedStates } from './unkeyed.js';

const places = keyCodecById('tuple(long,long)');
/** They move by subtask, not by key group. */
const NO_GROUP = 0;

interface Restored {
  readonly subtask: number;
  readonly place: number;
  readonly timestamp: number;
  readonly element: unknown;
}

export class AsyncGroup implements UnkeyedStates, AsyncShared {
  readonly node: AsyncMapNode;
  readonly operators: readonly AsyncOperator[];
  /** Of its input; moved by watermarks.ts, as is `released`. */
  readonly arriving = { watermark: NO_WATERMARK, idle: false };
  released = NO_WATERMARK;
  now = 0;
  readonly #table: number;
  readonly #scratch = new ByteWriter();
  #restored: Restored[] = [];

  constructor(node: AsyncMapNode, tables: readonly Table[], parts: readonly AsyncParts[]) {
    this.node = node;
    const own = ({ operator, kind }: Table) => operator === node.uid && kind === 'in-flight';
    this.#table = present(tables.find(own), 'a table of elements in flight').id;
    this.operators = parts.map((one) => new AsyncOperator(node, one, this));
  }

  restore({ key, mapKey, value }: Entry): void {
    const [subtask, place] = places.read(new ByteReader(key)) as readonly (number | bigint)[];
    if (typeof subtask !== 'number' || typeof place !== 'number')
      throw new BytesDamaged('not the place of an element in flight', 0);
    const timestamp = mapKey === undefined ? Number.NaN : timerKey.read(new ByteReader(mapKey));
    const element = this.node.spec.kept.codec.read(new ByteReader(value));
    this.#restored.push({ subtask, place, timestamp, element });
  }

  /** Deals out what was restored. Before the first step. */
  begin(): void {
    const { length } = this.operators;
    const restored = this.#restored.sort((a, b) => a.subtask - b.subtask || a.place - b.place);
    this.#restored = [];
    for (const { subtask, timestamp, element } of restored)
      present(this.operators[Math.abs(subtask) % length], 'a subtask').restore(
        element,
        timestamp,
        NO_WATERMARK,
      );
  }

  write(out: EntryWriter): void {
    for (const operator of this.operators) {
      let place = 0;
      for (const { element, timestamp } of operator.records())
        this.#write(out, [operator.subtask, place++], timestamp, element);
    }
  }

  #write(out: EntryWriter, key: readonly [number, number], timestamp: number, element: unknown): void {
    out.begin(this.#table, NO_GROUP);
    out.key(places, key);
    if (!Number.isNaN(timestamp)) out.mapKey(timerKey, timestamp);
    try {
      out.value(this.node.spec.kept.codec, element);
    } catch (error) {
      throw this.#refused(error);
    }
  }

  probe(element: unknown): void {
    const { codec, schema } = this.node.spec.kept;
    this.#scratch.reset();
    try {
      schema?.check(element);
      codec.write(element, this.#scratch);
    } catch (error) {
      throw this.#refused(error);
    }
  }

  get inFlight(): number {
    let sum = 0;
    for (const { inFlight } of this.operators) sum += inFlight;
    return sum;
  }

  get blocked(): boolean {
    for (const { blocked } of this.operators) if (blocked) return true;
    return false;
  }

  /** The least watermark that any in flight came at; undefined where there are none. */
  get holds(): number | undefined {
    let least: number | undefined;
    for (const { oldest } of this.operators)
      if (oldest !== undefined && (least === undefined || oldest < least)) least = oldest;
    return least;
  }

  /** Event time is behind again. */
  recede(): void {
    this.arriving.watermark = NO_WATERMARK;
    this.released = NO_WATERMARK;
    for (const operator of this.operators) operator.recede(NO_WATERMARK);
  }

  #refused(error: unknown): unknown {
    if (!(error instanceof ValueRefused)) return error;
    const path = error.path === '' ? '' : ` at ${error.path}`;
    const message = `an element in flight in asyncMap ${this.node.uid}: ${error.reason}${path}`;
    return new TidemarkError('VALUE_REFUSED', message, {
      cause: error,
      hint: 'give asyncMap plain data, for elements are kept while their calls are under way, or declare a codec for it',
    });
  }
}
