/** The thread that loads a definition to look at it. Its only duty is to answer once; see describe-definition.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { present } from '../base/assert.js';
import { type ErrorRecord, TidemarkError } from '../base/errors.js';
import type { Definition } from '../graph/definition.js';
import { describeGraph, type GraphDescription } from '../graph/describe.js';
import { resolveParams, secretVariable } from '../graph/param.js';
import { resolveSettings, type SettingsFlags } from '../graph/resolve-settings.js';
import type { SettingsDeclaration } from '../graph/settings.js';
import { guardOutput, type StreamName } from './console-guard.js';
import { installLibrary } from './library.js';
import { definitionError, loadDefinition } from './load-definition.js';
import { userFrame } from './user-frame.js';

/** What the thread is started with. */
export interface DescribeRequest {
  readonly bundle: string;
  readonly params: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
  readonly overrides: SettingsFlags;
  /** False: only name, parameters and settings, for which no parameter needs a value. */
  readonly graph: boolean;
}

export interface DescribedParam {
  readonly name: string;
  readonly kind: string;
  /** Absent when the parameter must be given. */
  readonly default?: unknown;
  /** The environment variable of a secret. */
  readonly env?: string;
}

export interface DefinitionFacts {
  readonly name: string;
  readonly params: readonly DescribedParam[];
  /** As the definition declares them, not resolved. */
  readonly settings: SettingsDeclaration;
  /** With the settings as they would be resolved. */
  readonly graph?: GraphDescription;
}

export type FromDescribeWorker =
  | { readonly type: 'described'; readonly facts: DefinitionFacts }
  | { readonly type: 'failed'; readonly error: ErrorRecord }
  | { readonly type: 'exit'; readonly code: string; readonly at: string | undefined }
  | { readonly type: 'output'; readonly stream: StreamName; readonly text: string };

const port = present(parentPort, 'the port of the describe worker');
const say = (message: FromDescribeWorker): void => port.postMessage(message);
const output = guardOutput((stream, text) => say({ type: 'output', stream, text }));

const exit = process.exit;
process.exit = (code) => {
  output.close();
  say({ type: 'exit', code: String(code ?? process.exitCode ?? 0), at: userFrame(new Error())?.at });
  return exit(code);
};

// No top-level await: a definition that awaits what never happens must end this thread, not block its module.
void describe(workerData).then(
  (facts) => finish({ type: 'described', facts }),
  (error: unknown) => finish({ type: 'failed', error: definitionError(error, 'being described').toRecord() }),
);

function finish(message: FromDescribeWorker): void {
  output.close();
  say(message);
}

async function describe(request: DescribeRequest): Promise<DefinitionFacts> {
  await installLibrary();
  const definition = await loadDefinition(request.bundle);
  const facts = plain({
    name: definition.name,
    params: describeParams(definition),
    settings: definition.settings,
  });
  return request.graph ? { ...facts, graph: plain(buildGraph(definition, request)) } : facts;
}

function describeParams({ params }: Definition): DescribedParam[] {
  return Object.entries(params).map(([name, declaration]) => ({
    name,
    kind: declaration.kind,
    ...(declaration.fallback === undefined ? {} : { default: declaration.fallback }),
    ...(declaration.kind === 'secret' ? { env: secretVariable(name, declaration) } : {}),
  }));
}

function buildGraph(definition: Definition, request: DescribeRequest): GraphDescription {
  const params = resolveParams(definition.params, request.params, request.environment);
  const settings = resolveSettings(definition.settings, request.overrides);
  try {
    return describeGraph(definition.build(params), settings);
  } catch (error) {
    throw definitionError(error, 'building its dataflow');
  }
}

/** Only data crosses threads. What JSON cannot hold is the definition's mistake. */
function plain<T>(value: T): T {
  try {
    return JSON.parse(JSON.stringify(value));
  } catch (error) {
    throw new TidemarkError('DEFINITION_INVALID', 'the settings of the definition are not plain data', {
      hint: 'give numbers, strings and booleans',
      cause: error,
    });
  }
}
