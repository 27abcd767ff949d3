/** `defineSink`: the public contract for sinks that tidemark does not bring (graph/sink.ts has the duties). */
import type { Schema } from '../codec/schema.js';
import { sinkFindings } from './check-spec.js';
import { graphInvalid } from './graph-invalid.js';
import type { SinkCommitter, SinkContext, SinkSpec, SinkWriter, WriterContext } from './sink.js';
import type { Sink } from './stream.js';

/** What an at-least-once sink says; see `SinkSpec` for each property. */
export interface PlainSinkDefinition<T> {
  /** What `plan` calls it. Default `custom`. */
  readonly kind?: string;
  readonly target?: string;
  readonly describe?: string;
  open(context: WriterContext): SinkWriter<T, void> | Promise<SinkWriter<T, void>>;
}

/** What an exactly-once sink says. `transaction` is the schema of what a writer's `prepare` resolves with. */
export interface TransactionalSinkDefinition<T, X> {
  /** What `plan` calls it. Default `custom`. */
  readonly kind?: string;
  readonly transaction: Schema<X>;
  readonly target?: string;
  readonly describe?: string;
  open(context: WriterContext): SinkWriter<T, NoInfer<X>> | Promise<SinkWriter<T, NoInfer<X>>>;
  committer(context: SinkContext): SinkCommitter<NoInfer<X>> | Promise<SinkCommitter<NoInfer<X>>>;
}

/**
 * Makes a sink. With `transaction` and `committer` its output is exactly-once, else at-least-once.
 *
 * The type of the elements is that of `write`'s parameter, or is given: `defineSink<Row>({…})`.
 * @throws TidemarkError GRAPH_INVALID with all that is wrong with its shape.
 * @example
 * const post = (url: string) => defineSink({
 *   describe: url,
 *   open: () => ({
 *     async write(rows: readonly Row[]) {
 *       await fetch(url, { method: 'POST', body: JSON.stringify(rows) });
 *     },
 *   }),
 * });
 */
export function defineSink<T, X>(definition: TransactionalSinkDefinition<T, X>): Sink<T, X>;
export function defineSink<T>(definition: PlainSinkDefinition<T>): Sink<T, void>;
export function defineSink<T>(
  definition: PlainSinkDefinition<T> | TransactionalSinkDefinition<T, unknown>,
): SinkSpec<T, unknown> {
  const spec: SinkSpec<T, unknown> = { kind: 'custom', ...definition };
  const findings = sinkFindings(spec);
  if (findings.length > 0) throw graphInvalid('a sink', findings);
  return spec;
}
