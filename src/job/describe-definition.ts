/**
 * Looks at a definition without running its job: bundles it, then loads it and builds its dataflow in a thread of
 * its own with a time limit, because what it does at the top level is the user's code.
 *
 * Invariants: the thread is gone when the promise settles; nothing it prints reaches stdout; no file stays behind
 * outside the home.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Clock, systemClock } from '../base/clock.js';
import type { Disk } from '../base/disk.js';
import { TidemarkError } from '../base/errors.js';
import type { HomePaths } from '../base/home.js';
import type { SettingsFlags } from '../graph/resolve-settings.js';
import { type Bundle, bundleDefinition } from './bundle.js';
import { storeBundle } from './bundle-store.js';
import type { DefinitionFacts, DescribeRequest, FromDescribeWorker } from './describe-worker.js';
import { installLibrary } from './library.js';
import { definitionError } from './load-definition.js';
import { shownPath } from './user-frame.js';

export interface DescribeOptions {
  /** As given on the command line. */
  readonly params?: Readonly<Record<string, string>>;
  /** Where secrets come from. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Settings that flags override. */
  readonly overrides?: SettingsFlags;
  /** Milliseconds for loading and building together. */
  readonly timeoutMs?: number;
  /** False: name, parameters and settings only. */
  readonly graph?: boolean;
  /** Keeps the bundle there; else it lives in a temporary folder while it is looked at. */
  readonly store?: { readonly disk: Disk; readonly home: HomePaths };
  /** Where the bundle lies without a store; the system's folder when absent. */
  readonly temporaryFolder?: string;
  /** Takes what the definition prints, at most MAX_OUTPUT characters of it; stderr when absent. */
  readonly output?: (text: string) => void;
  readonly clock?: Clock;
}

export interface DescribedDefinition extends DefinitionFacts {
  readonly bundle: Bundle;
}

export const DESCRIBE_TIMEOUT = 30_000;
/** Characters of a definition's own output that are passed on. */
export const MAX_OUTPUT = 64 * 1024;

/**
 * Rejects with FILE_NOT_FOUND, DEFINITION_INVALID (does not build, throws, exits, exports something else),
 * DEFINITION_TIMEOUT, PARAM_MISSING and its like, GRAPH_INVALID, or what the settings' check says.
 */
export async function describeDefinition(
  file: string,
  options: DescribeOptions = {},
): Promise<DescribedDefinition> {
  const bundle = await bundleDefinition(file, { libraryNames: await installLibrary() });
  const facts = await withBundleFile(bundle, options, (path) =>
    describeBundle(path, shownPath(file), options),
  );
  return { ...facts, bundle };
}

/** The same for a bundle that is at hand; `name` is what messages call it. */
export async function describeBundle(
  path: string,
  name: string,
  options: DescribeOptions = {},
): Promise<DefinitionFacts> {
  const request: DescribeRequest = {
    bundle: path,
    params: options.params ?? {},
    environment: definedOnly(options.environment ?? process.env),
    overrides: options.overrides ?? {},
    graph: options.graph ?? true,
  };
  const worker = new Worker(new URL('./describe-worker.js', import.meta.url), {
    workerData: request,
    stdout: true,
    stderr: true,
    name: 'tidemark describe',
  });
  try {
    return await answerOf(worker, name, options);
  } finally {
    await worker.terminate();
  }
}

async function withBundleFile<T>(
  bundle: Bundle,
  { store, temporaryFolder = tmpdir() }: DescribeOptions,
  use: (path: string) => Promise<T>,
): Promise<T> {
  if (store !== undefined) return use(await storeBundle(store.disk, store.home, bundle.code, bundle.hash));
  const folder = await mkdtemp(join(temporaryFolder, 'tidemark-'));
  try {
    const path = join(folder, `${bundle.hash}.mjs`);
    await writeFile(path, bundle.code, { mode: 0o600 });
    return await use(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The first of: an answer, an error nobody caught, the end of the thread, the end of the time. */
function answerOf(worker: Worker, name: string, options: DescribeOptions): Promise<DefinitionFacts> {
  const timeout = options.timeoutMs ?? DESCRIBE_TIMEOUT;
  const settled = new AbortController();
  const print = bounded(options.output ?? ((text) => process.stderr.write(text)));
  const outcome = new Promise<DefinitionFacts>((resolve, reject) => {
    let exited: TidemarkError | undefined;
    worker.on('message', (message: FromDescribeWorker) => {
      if (message.type === 'output') print(message.text);
      else if (message.type === 'described') resolve(message.facts);
      else if (message.type === 'failed') reject(TidemarkError.fromRecord(message.error));
      else exited = exitError(name, message);
    });
    worker.on('error', (error) => reject(threadError(name, error)));
    worker.on('exit', () => reject(exited ?? neverLoaded(name)));
    // What bypasses the guard of the thread: warnings of Node's before it is up.
    for (const stream of [worker.stdout, worker.stderr]) stream.setEncoding('utf8').on('data', print);
    const clock = options.clock ?? systemClock;
    void clock.sleep(timeout, settled.signal).then(() => reject(tooSlow(name, timeout)));
  });
  return outcome.finally(() => settled.abort());
}

function bounded(print: (text: string) => void): (text: string) => void {
  let room = MAX_OUTPUT;
  return (text) => {
    if (room <= 0) return;
    print(text.length <= room ? text : `${text.slice(0, room)}\n… further output dropped\n`);
    room -= text.length;
  };
}

function definedOnly(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const defined: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) if (value !== undefined) defined[name] = value;
  return defined;
}

function exitError(name: string, { code, at }: { code: string; at: string | undefined }): TidemarkError {
  const where = at === undefined ? '' : ` at ${at}`;
  return new TidemarkError(
    'DEFINITION_INVALID',
    `${name} called process.exit(${code})${where} while being loaded`,
    {
      hint: 'a definition describes a job and returns; remove the call',
      ...(at === undefined ? {} : { at }),
    },
  );
}

function neverLoaded(name: string): TidemarkError {
  return new TidemarkError(
    'DEFINITION_INVALID',
    `${name} awaits something at its top level that can never happen`,
    { hint: 'look for an await without a timer, a file or a connection behind it' },
  );
}

function tooSlow(name: string, timeout: number): TidemarkError {
  return new TidemarkError('DEFINITION_TIMEOUT', `${name} was not loaded within ${timeout} ms`, {
    hint: 'look for a loop or a slow call at its top level; long work belongs in a source or in open()',
  });
}

function threadError(name: string, error: unknown): TidemarkError {
  if (error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new TidemarkError('HEAP_FULL', `${name} filled the heap while being loaded`, {
      hint: 'read data when the job runs, through a source, not at the top level',
      cause: error,
    });
  }
  return definitionError(error, 'being loaded');
}
