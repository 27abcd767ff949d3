/** Archives of state that other codecs keep: shown, verified, compared, without the definition that wrote them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { diffArchives } from '../../src/archive/diff.js';
import { openArchive } from '../../src/archive/read.js';
import { verifyArchive } from '../../src/archive/verify.js';
import { realDisk } from '../../src/base/real-disk.js';
import { codec, defineJob, fromArray, key, state, stdout } from '../../src/index.js';
import { testJob } from '../../src/testing.js';
import { archiveOf } from '../job/matrix-archive.js';
import { entriesOfArchive } from './archives.js';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-codecs-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const mine = codec.define<number>({
  id: 'mine',
  encode: (n) => Buffer.from(`n=${n}`),
  decode: (bytes) => Number(Buffer.from(bytes).toString().slice(2)),
});

const definition = (more: number) =>
  defineJob('codecs', {}, (job) => {
    const numbers = job.source('in', fromArray([1, 2]));
    numbers
      .keyBy((n) => `k${n}`, key.string)
      .process('keep', {
        state: {
          json: state.value<object>({ codec: codec.json }),
          number: state.value({ codec: codec.number }),
          string: state.map({ codec: codec.string, keys: key.int }),
          bytes: state.reducing((a) => a, { codec: codec.bytes }),
          mine: state.value({ codec: mine }),
          mines: state.list({ codec: mine }),
        },
        onElement(n, { state: to }) {
          to.json.set({ b: [n], a: null });
          to.number.set(n / 2);
          to.string.set(n, `text ${n}`);
          to.bytes.add(Uint8Array.of(n));
          to.mine.set(n + more);
          to.mines.addAll([n, n + 1]);
        },
      });
    numbers.sink('out', stdout());
  });

async function written(more: number): Promise<string> {
  const job = await testJob(definition(more));
  await job.run();
  const path = join(folder, `${more}.tar`);
  await archiveOf(definition(more), await job.snapshot(), path, folder);
  await job.close();
  return path;
}

const base64 = (text: string) => ({ $bytes: Buffer.from(text).toString('base64') });

test('values of tidemark’s codecs are shown as values, those of a definition’s as bytes', async () => {
  const path = await written(0);
  const archive = await openArchive(realDisk, path);
  const lines = (await entriesOfArchive(archive)).map((line) => JSON.parse(line));
  const shown = lines.filter((line) => line.key === 'k2');
  assert.deepEqual(Object.fromEntries(shown.map((line) => [line.state, [line.mapKey, line.value]])), {
    json: [undefined, { b: [2], a: null }],
    number: [undefined, 1],
    string: [2, 'text 2'],
    bytes: [undefined, { $bytes: 'Ag==' }],
    mine: [undefined, base64('n=2')],
    mines: [undefined, [base64('n=2'), base64('n=3')]],
  });
  await archive.close();
  assert.deepEqual((await verifyArchive(realDisk, path)).findings, []);
});

test('two of them are compared', async () => {
  const before = await openArchive(realDisk, await written(1));
  const now = await openArchive(realDisk, await written(2));
  assert.deepEqual(await diffArchives(before, now), {
    equal: false,
    operators: [{ uid: 'keep', states: [{ name: 'mine', added: 0, removed: 0, changed: 2 }] }],
  });
  await before.close();
  await now.close();
});

test('a value that its codec cannot have written is found', async () => {
  const path = join(folder, 'damaged.tar');
  const job = await testJob(definition(0));
  await job.run();
  const { tables, ...snapshot } = await job.snapshot();
  // As if another codec had written them.
  const wrong = tables.map((table) =>
    table.name === 'json' ? { ...table, codec: { id: 'number', version: 1 } } : table,
  );
  await archiveOf(definition(0), { ...snapshot, tables: wrong }, path, folder);
  const { findings } = await verifyArchive(realDisk, path);
  assert.deepEqual(
    findings.map(({ code, message }) => [code, /not a number/.test(message)]),
    [
      ['VALUE', true],
      ['VALUE', true],
    ],
  );
  await job.close();
});
