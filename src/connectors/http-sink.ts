/**
 * The sink that sends elements to an HTTP server.
 *
 * Invariants: what a checkpoint counts as written, the server has answered with 2xx; what is sent again in the same
 * batch has the same `Idempotency-Key`.
 */
import { codec } from '../codec/codecs.js';
import { state } from '../graph/declare-state.js';
import type { SinkSpec, WriterContext } from '../graph/sink.js';
import { readHttpSinkOptions } from './http-sink/options.js';
import { HttpWriter } from './http-sink/writer.js';

export type HttpHeaders = Readonly<Record<string, string>>;

export interface HttpSinkOptions<T> {
  /** Default `POST`. */
  readonly method?: 'POST' | 'PUT' | 'PATCH';
  /** As they are, or asked for at the beginning of each try, for tokens that expire. Never logged or shown. */
  readonly headers?: HttpHeaders | (() => HttpHeaders | Promise<HttpHeaders>);
  /** Elements of a request at most. Default 100. */
  readonly batch?: number;
  /** How long an element waits for others, `'1s'` or milliseconds. Default 1 s. */
  readonly linger?: string | number;
  /** Of one try, until its answer is there; what `headers` takes counts. Default 30 s. */
  readonly timeout?: string | number;
  /**
   * `attempts`: tries in all, before the attempt of the job fails (default 5). `delay`: before the second (200 ms); each
   * further wait is `factor` (2) times as long, `most` (10 s) at most, or as long as `Retry-After` says, up to 5 minutes.
   */
  readonly retries?: {
    readonly attempts?: number;
    readonly delay?: string | number;
    readonly factor?: number;
    readonly most?: string | number;
  };
  /** The body of a request. Default: a JSON array; what JSON cannot hold is VALUE_REFUSED. */
  readonly encode?: (elements: readonly T[]) => string | Uint8Array;
  /** Default `application/json`. */
  readonly contentType?: string;
}

const since = { since: state.operatorUnion<number>({ codec: codec.number }) };

/**
 * Sends elements in batches, one request at a time and subtask, in order. At-least-once: what was sent after the last
 * checkpoint is sent again after a failure. Each request has an `Idempotency-Key`, a hash of the job, the sink, the
 * subtask, the place of its first element after the last barrier, and the body: a batch that is sent again has the same, and a
 * server that remembers keys can drop it. After a failure batches may be cut elsewhere, where `linger` cut them, and then
 * have other keys; where elements carry ids of their own, those are the surer way.
 *
 * A network error, a timeout, 408, 429 and 5xx are tried again; all other answers, redirects too, fail the job's attempt
 * with SINK_FAILED, the status and the first bytes of the answer, and so do tries that are used up. The job's restart
 * strategy says what follows. URL and headers may hold secrets: only the host is shown anywhere.
 * @throws TidemarkError DEFINITION_INVALID with all that is wrong with the options.
 * @example
 * alerts.sink('alerts', httpSink('https://example.org/alerts', {
 *   headers: { authorization: `Bearer ${p.token}` },
 *   batch: 50,
 * }));
 */
export function httpSink<T>(url: string, options: HttpSinkOptions<T> = {}): SinkSpec<T, void> {
  const settings = readHttpSinkOptions(url, options);
  return {
    kind: 'httpSink',
    describe: `${settings.method} ${settings.target.shown}`,
    state: since,
    open(context: WriterContext<typeof since>) {
      return new HttpWriter<T>(settings, context, context.state.since);
    },
  };
}
