/** `defineJob`: where a definition begins. */
import { GraphBuilder, type UidOptions } from './builder.js';
import { checkGraph } from './check.js';
import { DEFINITION, type Definition } from './definition.js';
import { graphInvalid } from './graph-invalid.js';
import { jobNameProblem, paramNameProblem, show } from './names.js';
import type { Graph } from './node.js';
import type { ParamDeclarations, ParamValues } from './param.js';
import type { SettingsDeclaration } from './settings.js';
import type { SourceSpec } from './source.js';
import { type Nothing, Stream } from './stream.js';

/** What `build` is given: where sources are added. */
export interface JobBuilder {
  /**
   * Adds a source. `uid` names it for good: its positions are found by it after an upgrade.
   * @example job.source('lines', files('logs/*.txt'))
   */
  source<T, P>(uid: string, source: SourceSpec<T, P>, options?: UidOptions): Stream<T>;
}

/** Parameters, and settings that flags of the command line override. */
export interface JobOptions<P> extends SettingsDeclaration {
  readonly params?: P;
}

const OPTIONS = ['params', 'parallelism', 'maxParallelism', 'checkpoint', 'restart', 'stepTimeout'];

/**
 * Defines a job: its name, its parameters and settings, and its dataflow. The module exports it as default.
 *
 * `build` describes the dataflow and must return nothing; it runs each time the job is planned or started, with
 * the parameters' values, and must give the same dataflow for the same values. What is wrong with it is told all
 * at once, as GRAPH_INVALID.
 *
 * @param name 1 to 63 letters, digits, `_` or `-`; the job's name unless `--name` gives another.
 * @example
 * export default defineJob(
 *   'word-count',
 *   { params: { input: param.string(), output: param.string() } },
 *   (job, p) => {
 *     job
 *       .source('lines', files(p.input))
 *       .flatMap((line) => line.toLowerCase().match(/[a-z]+/g) ?? [])
 *       .keyBy((word) => word)
 *       .process('count', {
 *         state: { seen: state.number(0) },
 *         emits: type<{ word: string; seen: number }>(),
 *         onElement(word, ctx) {
 *           ctx.state.seen.add(1);
 *           ctx.emit({ word, seen: ctx.state.seen.get() });
 *         },
 *       })
 *       .sink('out', fileSink(p.output));
 *   },
 * );
 */
export function defineJob<P extends ParamDeclarations = Nothing>(
  name: string,
  options: JobOptions<P>,
  build: (job: JobBuilder, params: ParamValues<P>) => void,
): Definition {
  if (typeof options !== 'object' || options === null || typeof build !== 'function') {
    const found = `found defineJob(${[name, options, build].map(show).join(', ')})`;
    throw graphInvalid('a definition', [`expected defineJob(name, options, build), ${found}`]);
  }
  const { params = {}, ...settings } = options;
  return {
    [DEFINITION]: 1,
    name,
    params,
    settings,
    build: (values) => buildGraph(name, params, settings, (job) => build(job, values as ParamValues<P>)),
  };
}

function buildGraph(
  name: string,
  params: ParamDeclarations,
  settings: SettingsDeclaration,
  build: (job: JobBuilder) => unknown,
): Graph {
  const builder = new GraphBuilder();
  const returned = build(jobBuilder(builder));
  if (returned instanceof Promise) {
    returned.catch(() => undefined);
    builder.find('build returned a promise: describe the dataflow without await');
  }
  const graph = builder.graph();
  const findings = [...headFindings(name, params, settings), ...builder.findings, ...checkGraph(graph)];
  if (findings.length > 0) throw graphInvalid(`definition ${show(name)}`, findings);
  return graph;
}

function jobBuilder(graph: GraphBuilder): JobBuilder {
  return {
    source<T, P>(uid: string, source: SourceSpec<T, P>, options: UidOptions = {}) {
      const { formerly = [] } = options;
      const node = graph.add((id) => ({ id, kind: 'source', uid, formerly, source }));
      return new Stream<T>(graph, node);
    },
  };
}

/** Findings on what stands beside the dataflow; the values of settings are `resolveSettings`' to judge. */
function headFindings(name: unknown, params: ParamDeclarations, settings: SettingsDeclaration): string[] {
  const unknown = Object.keys(settings).filter((option) => !OPTIONS.includes(option));
  return [
    jobNameProblem(name),
    ...unknown.map((option) => `no option ${show(option)}; expected one of: ${OPTIONS.join(', ')}`),
    ...Object.entries(params).flatMap(([param, declaration]) => [
      paramNameProblem(param),
      isParam(declaration) ? undefined : `parameter ${show(param)}: expected param.string() or its like`,
    ]),
  ].filter((finding) => finding !== undefined);
}

function isParam(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'kind' in value && 'fallback' in value;
}
