/**
 * Sends one batch, with as many tries as allowed.
 *
 * Invariants: a try ends within the timeout, and nothing of it is left open then; at most `SAID_BYTES` of an answer are
 * read; no text that leaves here shows a header, or what of the URL is secret.
 */
import { systemCode, TidemarkError } from '../../base/errors.js';
import type { WriterContext } from '../../graph/sink.js';
import { type Answer, verdictOn, waitAfter } from './answers.js';
import { type HttpSettings, headersProblem } from './options.js';
import { scrubbed } from './target.js';

/** What of an answer that says no is read, and shown. */
const SAID_BYTES = 500;
/** How often the runtime hears that a wait goes on, milliseconds. */
const BEAT_MS = 1000;

export interface Request {
  readonly key: string;
  readonly body: string | Uint8Array;
  readonly elements: number;
}

export class Sender {
  readonly #settings: HttpSettings<never>;
  readonly #context: WriterContext;
  /** Aborts when the sink is closed. */
  readonly #signal: AbortSignal;

  constructor(settings: HttpSettings<never>, context: WriterContext, signal: AbortSignal) {
    this.#settings = settings;
    this.#context = context;
    this.#signal = signal;
  }

  /** Resolves once the server has taken it. @throws TidemarkError SINK_FAILED */
  async send(request: Request): Promise<void> {
    const over = new AbortController();
    void this.#beat(AbortSignal.any([over.signal, this.#signal]));
    try {
      await this.#tries(request);
    } finally {
      over.abort();
    }
  }

  async #tries(request: Request): Promise<void> {
    const { retries } = this.#settings;
    const { clock } = this.#context;
    for (let tries = 1; ; tries++) {
      const { answer, headers } = await this.#try(request);
      const verdict = verdictOn(answer);
      if (verdict === 'done') return;
      if (verdict === 'refused' || tries >= retries.attempts || this.#signal.aborted)
        throw this.#failure(answer, tries, request, headers);
      await clock.sleep(waitAfter(answer, tries, retries, clock.now()), this.#signal);
    }
  }

  async #headers(key: string): Promise<Headers> {
    const { headers, contentType, target } = this.#settings;
    const given = typeof headers === 'function' ? await headers() : headers;
    const problem = headersProblem(given);
    if (problem !== undefined)
      throw new TidemarkError('SINK_FAILED', `sink ${this.#context.sink}: ${problem}`);
    const all = new Headers({ 'content-type': contentType });
    if (target.authorization !== undefined) all.set('authorization', target.authorization);
    for (const [name, value] of Object.entries(given)) all.set(name, value);
    all.set('idempotency-key', key);
    return all;
  }

  /** One try, and what it was sent with. Throws what `headers` does. */
  async #try({ body, key }: Request): Promise<{ readonly answer: Answer; readonly headers: Headers }> {
    const { timeout } = this.#settings;
    const over = new AbortController();
    const late = new AbortController();
    void this.#context.clock.sleep(timeout, over.signal).then(() => {
      if (!over.signal.aborted) late.abort();
    });
    const signal = AbortSignal.any([late.signal, this.#signal]);
    try {
      const headers = await unlessAborted(this.#headers(key), signal);
      const answer = headers === undefined ? undefined : await this.#ask(body, headers, signal);
      if (answer !== undefined) return { answer, headers: headers ?? new Headers() };
      const failed = late.signal.aborted ? `no answer within ${timeout} ms` : 'the sink was closed';
      return { answer: { failed }, headers: headers ?? new Headers() };
    } finally {
      over.abort();
    }
  }

  /** Undefined when it was aborted. */
  async #ask(body: string | Uint8Array, headers: Headers, signal: AbortSignal): Promise<Answer | undefined> {
    const { target, method } = this.#settings;
    try {
      // A redirect would turn the request into one without a body, or take its headers to somebody else.
      const response = await fetch(target.url, { method, headers, body, signal, redirect: 'manual' });
      const said = response.ok ? '' : await firstBytes(response);
      await response.body?.cancel();
      return { status: response.status, retryAfter: response.headers.get('retry-after'), said };
    } catch (error) {
      return signal.aborted ? undefined : { failed: reasonOf(error) };
    }
  }

  #failure(answer: Answer, tries: number, { elements }: Request, headers: Headers): TidemarkError {
    const { target } = this.#settings;
    const { sink } = this.#context;
    const times = tries === 1 ? '' : `, ${tries} times`;
    const what =
      'failed' in answer
        ? `${target.shown} could not be reached${times}: ${answer.failed}`
        : `${target.shown} answered ${answer.status}${times}${answer.said === '' ? '' : `: ${answer.said}`}`;
    const secrets = [...target.secrets, ...secretsIn(headers)];
    const hint =
      verdictOn(answer) === 'refused'
        ? 'mend the request, its address or its credentials, then: tidemark resume <job> --definition FILE'
        : 'look whether the server is up; the batch is sent again after a restart or resume';
    const message = `sink ${sink}: ${scrubbed(what, secrets)} (a batch of ${elements})`;
    return new TidemarkError('SINK_FAILED', message, { hint, operator: sink });
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const { alive, clock } = this.#context;
    while (alive !== undefined && !signal.aborted) {
      alive();
      await clock.sleep(BEAT_MS, signal);
    }
  }
}

/** Undefined as soon as the signal aborts, whatever the promise does then. */
function unlessAborted<R>(promise: Promise<R>, signal: AbortSignal): Promise<R | undefined> {
  return new Promise((resolve, reject) => {
    const abort = () => resolve(undefined);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

/** What headers hold, whole and word by word: a server may echo the token without its `Bearer`. */
function secretsIn(headers: Headers): string[] {
  return [...headers]
    .filter(([name]) => name !== 'content-type' && name !== 'idempotency-key')
    .flatMap(([, value]) => [value, ...value.split(/\s+/).filter((word) => word.length >= 8)]);
}

async function firstBytes(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return '';
  const chunks: Uint8Array[] = [];
  let length = 0;
  while (length < SAID_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    length += value.length;
  }
  reader.releaseLock();
  const text = Buffer.concat(chunks).subarray(0, SAID_BYTES).toString('utf8').trim();
  return length > SAID_BYTES ? `${text}…` : text;
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (cause instanceof AggregateError) return reasonOf(cause.errors[0]);
  if (!(cause instanceof Error)) return String(cause);
  return cause.message === '' ? (systemCode(cause) ?? cause.name) : cause.message;
}
