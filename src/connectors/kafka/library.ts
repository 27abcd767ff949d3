/**
 * Loads `@platformatic/kafka`, an optional peer: the one place that imports it, and only once a Kafka source or sink opens.
 *
 * A definition runs from a bundle in the home, so "its project" is where the job was first started, unless `resolveFrom`
 * says otherwise; what tidemark itself finds beside it comes last.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { systemCode, TidemarkError } from '../../base/errors.js';

export type Kafka = typeof import('@platformatic/kafka');

const PACKAGE = '@platformatic/kafka';
/** What of it is used, beside types: by these names a version that fits is known. */
const NEEDED = [
  'Connection',
  'NumericMap',
  'addPartitionsToTxnV3',
  'apiVersionsV3',
  'createTopicsV7',
  'endTxnV3',
  'fetchV12',
  'findCoordinatorV4',
  'initProducerIdV4',
  'listOffsetsV7',
  'listTransactionsV0',
  'metadataV12',
  'produceV9',
] as const satisfies readonly (keyof Kafka)[];

/**
 * The client, as the first of these places finds it: the folder of `resolveFrom` (a path or URL of a file), `cwd`, tidemark.
 * Rejects with PACKAGE_MISSING when none does, or when what is found is of another major version. `own` is the last of them.
 */
export async function loadKafka(
  cwd: string,
  resolveFrom?: string | URL,
  own: () => Promise<unknown> = () => import('@platformatic/kafka'),
): Promise<Kafka> {
  const folders = [...(resolveFrom === undefined ? [] : [dirname(pathOf(resolveFrom))]), cwd];
  for (const folder of folders) {
    const path = resolvedIn(folder);
    if (path === undefined) continue;
    const found: unknown = await import(pathToFileURL(path).href);
    return checked(found, path);
  }
  try {
    return checked(await own(), 'tidemark’s own folder');
  } catch (error) {
    if (systemCode(error) !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new TidemarkError(
      'PACKAGE_MISSING',
      `Kafka needs the package ${PACKAGE}, which is neither found from ${folders.join(' or ')} nor beside tidemark`,
      { hint: `in ${folders[0] ?? cwd}: npm install ${PACKAGE}@1` },
    );
  }
}

function pathOf(file: string | URL): string {
  return file instanceof URL || file.startsWith('file:') ? fileURLToPath(file) : file;
}

function resolvedIn(folder: string): string | undefined {
  try {
    return createRequire(join(folder, 'package.json')).resolve(PACKAGE);
  } catch (error) {
    if (systemCode(error) === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** Whether a module is a version of the client that this code was written for. */
export function isKafka(module: unknown): module is Kafka {
  return typeof module === 'object' && module !== null && NEEDED.every((name) => name in module);
}

function checked(module: unknown, where: string): Kafka {
  if (isKafka(module)) return module;
  throw new TidemarkError(
    'PACKAGE_MISSING',
    `the package ${PACKAGE} in ${where} is not of version 1.35 or a later 1.x`,
    { hint: `npm install ${PACKAGE}@1` },
  );
}
