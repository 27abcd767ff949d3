/**
 * What user code prints, held within bounds. In a thread that runs user code nothing reaches the streams of the
 * process: it goes to `send`, at most so many lines and characters a second, and what is beyond that is counted.
 *
 * Invariants: memory held is bounded by the limits, also in a loop that never returns to the event loop, because
 * then `write` itself sends; each line that is not sent is counted in exactly one notice.
 */
import { StringDecoder } from 'node:string_decoder';
import { type Clock, systemClock } from '../base/clock.js';

export type StreamName = 'stdout' | 'stderr';

/** Takes text of one stream; `dropped` is the number of lines that the notice in `text` stands for, mostly 0. */
export type SendOutput = (stream: StreamName, text: string, dropped: number) => void;

export interface OutputLimits {
  /** Lines let through in one second, both streams together. */
  readonly linesPerSecond: number;
  /** Characters (UTF-16) let through in one second. */
  readonly charsPerSecond: number;
  /** Characters of one line; the rest of it is cut. */
  readonly lineChars: number;
  /** Milliseconds that text may wait before it is sent. */
  readonly delay: number;
}

export const OUTPUT_LIMITS: OutputLimits = {
  linesPerSecond: 1_000,
  charsPerSecond: 256 * 1024,
  lineChars: 8 * 1024,
  delay: 50,
};

const SECOND = 1_000;
/** Characters gathered before they are sent without waiting. */
const MAX_PENDING = 32 * 1024;
/** Callbacks of `write` that wait for the next tick; beyond that they are called at once. */
const MAX_DEFERRED = 1_000;
const CUT_MARK = '…';

interface Lane {
  readonly decoder: StringDecoder;
  /** Characters of the unfinished line that were let through. */
  length: number;
  /** What becomes of the rest of the unfinished line. */
  rest: 'pass' | 'cut' | 'drop';
}

/** The bounds themselves: text goes in, what may pass comes out through `send`. Knows no process. */
export class OutputGuard {
  readonly #send: SendOutput;
  readonly #limits: OutputLimits;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #lanes: Readonly<Record<StreamName, Lane>> = { stdout: lane(), stderr: lane() };
  #pending: { readonly stream: StreamName; text: string }[] = [];
  #pendingChars = 0;
  #sentAt: number;
  #windowStart: number;
  #lines = 0;
  #chars = 0;
  #dropped = 0;

  constructor(send: SendOutput, limits: OutputLimits, clock: Pick<Clock, 'monotonic'>) {
    this.#send = send;
    this.#limits = limits;
    this.#clock = clock;
    this.#windowStart = clock.monotonic();
    this.#sentAt = this.#windowStart;
  }

  write(stream: StreamName, chunk: string | Uint8Array): void {
    const now = this.#clock.monotonic();
    if (now - this.#windowStart >= SECOND) this.#openWindow(now);
    const taken = this.#lanes[stream];
    const text = typeof chunk === 'string' ? chunk : taken.decoder.write(Buffer.from(chunk));
    let start = 0;
    while (start < text.length) {
      const newline = text.indexOf('\n', start);
      const end = newline === -1 ? text.length : newline;
      this.#piece(stream, taken, text, start, end, newline !== -1);
      start = end + 1;
    }
    if (this.#pendingChars > MAX_PENDING || now - this.#sentAt >= this.#limits.delay) this.#sendPending(now);
  }

  /** Sends what waits. Cheap when nothing does. */
  flush(): void {
    if (this.#pending.length === 0 && this.#dropped === 0) return;
    const now = this.#clock.monotonic();
    if (now - this.#windowStart >= SECOND) this.#openWindow(now);
    this.#sendPending(now);
  }

  /** Sends everything, with the notice of what was dropped so far. */
  close(): void {
    this.#notice();
    this.#sendPending(this.#clock.monotonic());
  }

  /** Text of one line, from `start` to `end`; `ended` when a newline follows. */
  #piece(stream: StreamName, taken: Lane, text: string, start: number, end: number, ended: boolean): void {
    if (taken.length === 0 && taken.rest === 'pass' && this.#full()) {
      taken.rest = 'drop';
      this.#dropped++;
    }
    if (taken.rest === 'pass') {
      const room = this.#limits.lineChars - taken.length;
      if (end - start > room) {
        this.#pass(stream, `${copied(text, start, start + room)}${CUT_MARK}`);
        taken.rest = 'cut';
      } else if (end > start) {
        this.#pass(stream, start === 0 && end === text.length ? text : text.slice(start, end));
        taken.length += end - start;
      }
    }
    if (!ended) return;
    if (taken.rest !== 'drop') {
      this.#pass(stream, '\n');
      this.#lines++;
    }
    taken.length = 0;
    taken.rest = 'pass';
  }

  #full(): boolean {
    return this.#lines >= this.#limits.linesPerSecond || this.#chars >= this.#limits.charsPerSecond;
  }

  #pass(stream: StreamName, text: string): void {
    this.#chars += text.length;
    this.#pendingChars += text.length;
    const last = this.#pending.at(-1);
    if (last?.stream === stream) last.text += text;
    else this.#pending.push({ stream, text });
  }

  #openWindow(now: number): void {
    this.#notice();
    this.#windowStart = now;
    this.#lines = 0;
    this.#chars = 0;
  }

  #notice(): void {
    if (this.#dropped === 0) return;
    this.#sendPending(this.#clock.monotonic());
    const lines = this.#dropped === 1 ? 'line' : 'lines';
    this.#send('stderr', `… ${this.#dropped.toLocaleString('en-US')} ${lines} dropped\n`, this.#dropped);
    this.#dropped = 0;
  }

  #sendPending(now: number): void {
    this.#sentAt = now;
    const pending = this.#pending;
    this.#pending = [];
    this.#pendingChars = 0;
    for (const { stream, text } of pending) this.#send(stream, text, 0);
  }
}

function lane(): Lane {
  return { decoder: new StringDecoder('utf8'), length: 0, rest: 'pass' };
}

/** A part of the text that does not keep the whole of it in memory. */
function copied(text: string, start: number, end: number): string {
  return Buffer.from(text.slice(start, end)).toString();
}

export interface GuardedOutput {
  /** Call it between steps; a timer does too, when the thread is idle. */
  flush(): void;
  /** Call it before the thread ends: flushes, with the last notice, and gives the streams back. */
  close(): void;
}

/** The part of `process` that is guarded. */
export interface OutputStreams {
  readonly stdout: Pick<NodeJS.WritableStream, 'write'>;
  readonly stderr: Pick<NodeJS.WritableStream, 'write'>;
}

type Done = (error?: Error | null) => void;

/**
 * Puts the guard before `process.stdout` and `process.stderr` of this thread, and so before `console`. Call it
 * before user code is loaded. `send` must not write to the guarded streams.
 */
export function guardOutput(
  send: SendOutput,
  limits: OutputLimits = OUTPUT_LIMITS,
  clock: Pick<Clock, 'monotonic'> = systemClock,
  streams: OutputStreams = process,
): GuardedOutput {
  const guard = new OutputGuard(send, limits, clock);
  const defer = deferredCalls();
  const undo = (['stdout', 'stderr'] as const).map((name) => {
    const stream = streams[name];
    const original = stream.write;
    stream.write = (chunk: string | Uint8Array, encoding?: BufferEncoding | Done, done?: Done): boolean => {
      guard.write(name, chunkText(chunk, encoding));
      const callback = typeof encoding === 'function' ? encoding : done;
      if (callback !== undefined) defer(callback);
      return true;
    };
    return () => {
      stream.write = original;
    };
  });
  const timer = setInterval(() => guard.flush(), limits.delay);
  timer.unref();
  return {
    flush: () => guard.flush(),
    close() {
      clearInterval(timer);
      guard.close();
      for (const back of undo) back();
    },
  };
}

function chunkText(chunk: string | Uint8Array, encoding: unknown): string | Uint8Array {
  if (typeof chunk !== 'string') return chunk;
  const coded = typeof encoding === 'string' && encoding !== 'utf8' && Buffer.isEncoding(encoding);
  return coded ? Buffer.from(chunk, encoding) : chunk;
}

/** Calls `write` callbacks on the next tick, as a stream does, but lets a loop of `console.log` queue no million. */
function deferredCalls(): (callback: Done) => void {
  let waiting = 0;
  return (callback) => {
    if (waiting >= MAX_DEFERRED) return callback(null);
    waiting++;
    process.nextTick(() => {
      waiting--;
      callback(null);
    });
  };
}
