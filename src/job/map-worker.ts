/** The thread that runs the user's map functions over entries; see map-task.ts. */
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { present } from '../base/assert.js';
import { TidemarkError, toTidemarkError } from '../base/errors.js';
import { BytesDamaged } from '../codec/codec.js';
import { type MapFunction, TableMap } from '../rewrite/table-map.js';
import { guardOutput } from './console-guard.js';
import { installLibrary } from './library.js';
import { definitionError } from './load-definition.js';
import { type FromMapThread, type MapThreadData, PROGRESS, type ToMapThread } from './map-protocol.js';
import { userFrame } from './user-frame.js';

const port = present(parentPort, 'the port of the map thread');
const say = (message: FromMapThread, transfer: ArrayBuffer[] = []): void =>
  port.postMessage(message, transfer);
const output = guardOutput((_stream, text) => say({ type: 'output', text }));
const data: MapThreadData = workerData;
const progress = new Int32Array(data.progress);
const maps = new Map<number, TableMap>();

const exit = process.exit;
process.exit = (code) => {
  output.close();
  say({ type: 'exit', code: String(code ?? process.exitCode ?? 0), at: userFrame(new Error())?.at });
  return exit(code);
};

// No top-level await: a module that awaits what never happens must end this thread, not block it.
void load().then(
  () => {
    port.on('message', (block: ToMapThread) => answer(block));
    say({ type: 'ready' });
  },
  (error: unknown) => fail(definitionError(error, 'being loaded')),
);

async function load(): Promise<void> {
  process.setSourceMapsEnabled(true);
  await installLibrary();
  const loaded = await Promise.all(data.bundles.map((path) => import(pathToFileURL(path).href)));
  for (const { table, operator, bundle, file } of data.tables)
    maps.set(table.id, new TableMap(table, operator, mapFunction(loaded[bundle], file), userFrame));
}

function mapFunction(loaded: { readonly default?: unknown }, file: string): MapFunction {
  if (typeof loaded.default === 'function') return loaded.default as MapFunction;
  const found = loaded.default === undefined ? 'none' : `a ${typeof loaded.default}`;
  throw new TidemarkError(
    'DEFINITION_INVALID',
    `${file}: expected a function as default export, found ${found}`,
    {
      hint: 'write: export default ({ key, value }) => newValue',
    },
  );
}

function answer({ table, payload, entries }: ToMapThread): void {
  try {
    const map = present(maps.get(table), 'the map of a table');
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    const { block, changed } = map.apply({ table, payload: bytes, entries }, (place) => {
      Atomics.store(progress, PROGRESS.place, place);
      Atomics.add(progress, PROGRESS.calls, 1);
    });
    // What a writer has made is a buffer of its own, which can change hands.
    const left = block === undefined ? undefined : new Uint8Array(block.payload);
    say(
      { type: 'mapped', payload: left, entries: block?.entries ?? 0, changed },
      left === undefined ? [] : [left.buffer],
    );
  } catch (error) {
    fail(
      error instanceof BytesDamaged
        ? new TidemarkError('ARCHIVE_CORRUPT', error.message)
        : toTidemarkError(error),
    );
  }
}

function fail(error: TidemarkError): void {
  output.close();
  say({ type: 'failed', error: error.toRecord() });
}
