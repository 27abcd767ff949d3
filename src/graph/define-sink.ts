/** `defineSink`: the public contract for sinks that tidemark does not bring (graph/sink.ts has the duties). */
import type { Schema } from '../codec/schema.js';
import { sinkFindings } from './check-spec.js';
import { graphInvalid } from './graph-invalid.js';
import type { OperatorStateDeclarations } from './operator-state.js';
import type { SinkCommitter, SinkContext, SinkSpec, SinkWriter, WriterContext } from './sink.js';
import type { Nothing, Sink } from './stream.js';

/** What an at-least-once sink says; see `SinkSpec` for each property. */
export interface PlainSinkDefinition<T, S extends OperatorStateDeclarations = Nothing> {
  /** What `plan` calls it. Default `custom`. */
  readonly kind?: string;
  readonly target?: string;
  /** Given to each writer as `context.state`; what it holds after `prepare` was called is in the snapshot. */
  readonly state?: S;
  readonly describe?: string;
  open(context: WriterContext<NoInfer<S>>): SinkWriter<T, void> | Promise<SinkWriter<T, void>>;
}

/** What an exactly-once sink says. `transaction` is the schema of what a writer's `prepare` resolves with. */
export interface TransactionalSinkDefinition<T, X, S extends OperatorStateDeclarations = Nothing> {
  /** What `plan` calls it. Default `custom`. */
  readonly kind?: string;
  readonly transaction: Schema<X>;
  readonly target?: string;
  /** Given to each writer as `context.state`; what it holds after `prepare` was called is in the snapshot. */
  readonly state?: S;
  readonly describe?: string;
  open(context: WriterContext<NoInfer<S>>): SinkWriter<T, NoInfer<X>> | Promise<SinkWriter<T, NoInfer<X>>>;
  committer(context: SinkContext): SinkCommitter<NoInfer<X>> | Promise<SinkCommitter<NoInfer<X>>>;
}

/**
 * Makes a sink. With `transaction` and `committer` its output is exactly-once, else at-least-once.
 *
 * The type of the elements is that of `write`'s parameter, or is given: `defineSink<Row>({…})`; with `state` leave it
 * to `write`, so that the types of `context.state` come from the declarations.
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
export function defineSink<T, X, S extends OperatorStateDeclarations = Nothing>(
  definition: TransactionalSinkDefinition<T, X, S>,
): Sink<T, X>;
export function defineSink<T, S extends OperatorStateDeclarations = Nothing>(
  definition: PlainSinkDefinition<T, S>,
): Sink<T, void>;
export function defineSink<T>(
  definition:
    | PlainSinkDefinition<T, OperatorStateDeclarations>
    | TransactionalSinkDefinition<T, unknown, OperatorStateDeclarations>,
): SinkSpec<T, unknown> {
  const spec: SinkSpec<T, unknown> = { kind: 'custom', ...definition };
  const findings = sinkFindings(spec);
  if (findings.length > 0) throw graphInvalid('a sink', findings);
  return spec;
}
