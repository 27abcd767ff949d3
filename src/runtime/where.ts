/**
 * Where the dataflow is right now, in memory that another thread can read: when user code never returns, or the
 * heap is full, this is all that is left to name the culprit.
 *
 *     int32[0] turn      odd while inside a step, even between steps
 *     int32[1] node      graph node whose user code runs
 *     int32[2] subtask
 *     int32[3] length    bytes of text that follow
 *     text               UTF-8: source uid, split and position of the batch in hand
 *
 * Writes are plain stores, as cheap as any; the reader may see a torn text, and shows it as it is.
 */
import { type ErrorCode, TidemarkError } from '../base/errors.js';
import { show, userMessage } from './show.js';

const TURN = 0;
const NODE = 1;
const SUBTASK = 2;
const LENGTH = 3;
const CELLS = 4;
const TEXT_BYTES = 2048;

/** Bytes of shared memory that a {@link Where} needs. */
export const WHERE_BYTES = CELLS * 4 + TEXT_BYTES;

export class Where {
  /** The first failure of user code; once set, the attempt is lost even if user code caught the exception. */
  failure: TidemarkError | undefined;
  readonly #cells: Int32Array;
  readonly #text: Uint8Array;
  readonly #encoder = new TextEncoder();
  #name: (node: number) => string = (node) => `node ${node}`;

  constructor(memory: SharedArrayBuffer | ArrayBuffer = new ArrayBuffer(WHERE_BYTES)) {
    this.#cells = new Int32Array(memory, 0, CELLS);
    this.#text = new Uint8Array(memory, CELLS * 4, TEXT_BYTES);
  }

  /** How nodes are called in errors. */
  nameNodes(name: (node: number) => string): void {
    this.#name = name;
  }

  /** User code of this operator runs now. Called for every element: keep it to two stores. */
  at(node: number, subtask: number): void {
    this.#cells[NODE] = node;
    this.#cells[SUBTASK] = subtask;
  }

  /** A stretch of work begins that must end within the step timeout. */
  enter(): void {
    Atomics.add(this.#cells, TURN, 1);
  }

  leave(): void {
    Atomics.add(this.#cells, TURN, 1);
  }

  /** The stretch of work that is under way, if any, counts as begun anew. */
  renew(): void {
    Atomics.add(this.#cells, TURN, 2);
  }

  /** The batch about to be processed. */
  batch(source: string, split: string, position: unknown): void {
    const text = `${readingOf(source, split)}${show(position, 512)}`;
    this.#cells[LENGTH] = this.#encoder.encodeInto(text, this.#text).written;
  }

  /** Source, split and position of the batch in hand; undefined before the first. */
  position(): string | undefined {
    const length = this.#cells[LENGTH] ?? 0;
    if (length === 0) return undefined;
    return Buffer.from(this.#text.slice(0, length)).toString('utf8');
  }

  /** User code returned a promise where nothing awaits one. */
  failPromise(node: number, element: unknown): TidemarkError {
    const message =
      `operator ${this.#name(node)} returned a promise where a value is expected; elements flow ` +
      'synchronously, so await before the source yields, or use asyncMap';
    return this.fail(new TidemarkError('USER_PROMISE', message), node, element);
  }

  /** What a failure of user code becomes. The first one wins, whatever user code does with it. */
  fail(error: unknown, node: number, element: unknown, code: ErrorCode = 'USER_CODE'): TidemarkError {
    if (this.failure !== undefined) return this.failure;
    const position = this.position();
    const operator = this.#name(node);
    const at = position === undefined ? {} : { position };
    if (error instanceof TidemarkError) {
      this.failure = new TidemarkError(error.code, error.message, {
        operator,
        element: show(element),
        ...at,
        ...error.details,
      });
    } else {
      const stack = error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
      this.failure = new TidemarkError(code, `operator ${operator}: ${userMessage(error)}`, {
        cause: error,
        operator,
        element: show(element),
        ...at,
        ...stack,
      });
    }
    return this.failure;
  }
}

function readingOf(source: string, split: string): string {
  return `${source}, split ${split}, after `;
}

/** Whether a position that an error names is one in that split. */
export function readFrom(position: string | undefined, source: string, split: string): boolean {
  return position?.startsWith(readingOf(source, split)) === true;
}

/** What the watching thread makes of the shared memory. */
export interface WhereView {
  readonly turn: number;
  readonly node: number;
  readonly subtask: number;
  readonly position: string | undefined;
}

export function readWhere(memory: SharedArrayBuffer): WhereView {
  const cells = new Int32Array(memory, 0, CELLS);
  const length = Math.max(0, Math.min(Atomics.load(cells, LENGTH), TEXT_BYTES));
  const text = Buffer.from(new Uint8Array(memory, CELLS * 4, TEXT_BYTES).slice(0, length));
  return {
    turn: Atomics.load(cells, TURN),
    node: Atomics.load(cells, NODE),
    subtask: Atomics.load(cells, SUBTASK),
    position: length === 0 ? undefined : text.toString('utf8'),
  };
}
