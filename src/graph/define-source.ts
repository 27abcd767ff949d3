/** `defineSource`: the public contract for sources that tidemark does not bring (graph/source.ts has the duties). */
import { parseDuration } from '../base/duration.js';
import type { Schema } from '../codec/schema.js';
import { sourceFindings } from './check-spec.js';
import { graphInvalid } from './graph-invalid.js';
import type { OperatorStateDeclarations } from './operator-state.js';
import type { Batch, ReadRequest, SourceContext, SourceSpec, Split } from './source.js';
import type { Nothing } from './stream.js';

/** What a source says; see `SourceSpec` for each property. */
export interface SourceDefinition<T, P, S extends OperatorStateDeclarations = Nothing> {
  /** What `plan` calls it. Default `custom`. */
  readonly kind?: string;
  readonly position: Schema<P>;
  readonly replayable?: boolean;
  readonly exclusive?: string;
  /** Elements per second, over all splits together. */
  readonly rate?: number;
  readonly concurrency?: number;
  /** How often to ask `splits` again: `'10s'` or milliseconds. */
  readonly rediscover?: string | number;
  /** Given to `read` as `request.state`; changed by the `state` of a batch. */
  readonly state?: S;
  readonly describe?: string;
  compare?(a: NoInfer<P>, b: NoInfer<P>): number | undefined;
  splits(context: SourceContext): Promise<readonly Split<NoInfer<P>>[]> | readonly Split<NoInfer<P>>[];
  read(request: ReadRequest<NoInfer<P>, NoInfer<S>>): AsyncIterable<Batch<T, NoInfer<P>, NoInfer<S>>>;
}

/**
 * Makes a source. The type of the elements comes from what `read` yields, the type of positions from `position`.
 *
 * `splits` names the parts of the input and where each begins; `read` yields batches of one split, each with the
 * position to go on from. Barriers fall between batches. When `signal` aborts, `read` should return.
 * @throws TidemarkError GRAPH_INVALID with all that is wrong with its shape.
 * @example
 * const pages = (url: string) => defineSource({
 *   position: schema(z.object({ next: z.string() })),
 *   splits: async () => [{ id: 'main', start: { next: '' } }],
 *   async *read({ position, signal }) {
 *     for (let { next } = position; ; ) {
 *       const page = await get(url, next, signal);
 *       next = page.next;
 *       yield { elements: page.items, position: { next } };
 *     }
 *   },
 * });
 */
export function defineSource<T, P, S extends OperatorStateDeclarations = Nothing>(
  definition: SourceDefinition<T, P, S>,
): SourceSpec<T, P> {
  if (typeof definition !== 'object' || definition === null)
    throw graphInvalid('a source', sourceFindings(definition));
  const { rediscover, ...rest } = definition;
  const spec: SourceSpec<T, P> = {
    kind: 'custom',
    ...rest,
    ...(rediscover === undefined ? {} : { rediscover: parseDuration(rediscover, 'rediscover of a source') }),
  };
  const findings = sourceFindings(spec);
  if (findings.length > 0) throw graphInvalid('a source', findings);
  return spec;
}
