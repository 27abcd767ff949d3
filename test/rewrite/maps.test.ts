/** Map modules in their thread: what they see and give, and every way in which they go wrong. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { type MapOptions, startMaps } from '../../src/job/map-task.js';
import { Blocks, operator, table } from '../archive/blocks.js';
import { diskOf, linesIn, prepared, rewritten } from './rewriting.js';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-maps-'));
  await mkdir(join(folder, 'temporary'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** Two states of one operator, by string keys, of more than one block. */
async function twoStates(entries = 4000) {
  const blocks = new Blocks();
  for (let i = 0; i < entries; i++) {
    blocks.value(0, `user-${i}`, { n: i }, 'string');
    if (i % 10 === 0) blocks.value(1, `user-${i}`, i, 'string');
  }
  const tables = [table(0, 'count', 'last'), table(1, 'count', 'seen', 'number')];
  return await diskOf({ tables, operators: [operator('count', 'process', 'string')], blocks });
}

async function module(name: string, code: string): Promise<string> {
  await writeFile(join(folder, name), code);
  return name;
}

function mapper(more: Partial<MapOptions> = {}) {
  const printed: string[] = [];
  const options = {
    folder,
    temporaryFolder: join(folder, 'temporary'),
    output: (text: string) => printed.push(text),
    ...more,
  };
  return {
    printed,
    startMapper: (tables: Parameters<typeof startMaps>[0]) => startMaps(tables, options),
  };
}

test('modules in TypeScript, with what they import, map blocks in their thread', async () => {
  await module('factor.ts', 'export const FACTOR: number = 3;\n');
  const last = await module(
    'last.ts',
    `import { FACTOR } from './factor.js';
     import type { Entry } from './nowhere.js';
     let seen = 0;
     export default ({ key, value }: { key: string; value: { n: number } }) => {
       if (seen++ === 0) console.log('the first');
       return value.n % 2 === 0 ? { ...value, of: key, n: value.n * FACTOR } : undefined;
     };\n`,
  );
  const seen = await module('seen.mjs', 'export default ({ value }) => value + 1;\n');
  const disk = await twoStates();
  const { printed, startMapper } = mapper();
  const { report } = await rewritten(
    disk,
    { map: [`count.last=${last}`, `count.seen=${seen}`] },
    { startMapper },
  );
  const lines = await linesIn(disk);
  const of = (state: string) =>
    new Map(lines.filter((line) => line.state === state).map(({ key, value }) => [key, value]));
  assert.equal(of('last').size, 2000);
  for (const [key, value] of of('last')) {
    const i = Number(String(key).slice(5));
    assert.deepEqual(value, { n: i * 3, of: key });
  }
  for (const [key, value] of of('seen')) assert.equal(value, Number(String(key).slice(5)) + 1);
  assert.deepEqual(
    report.states.map(({ name, removed, changed }) => [name, removed, changed]),
    [
      ['count.seen', 0, 400],
      ['count.last', 2000, 2000],
    ],
  );
  assert.equal(printed.join(''), 'the first\n');
});

describe('a module that goes wrong', () => {
  const CASES: readonly (readonly [
    name: string,
    code: string,
    expected: string,
    says: RegExp,
    at?: RegExp,
  ])[] = [
    [
      'throws.ts',
      'export default ({ value }) => {\n  if (value === 100) throw new Error("no hundreds");\n  return value;\n};',
      'USER_CODE',
      /^--map count\.seen, key "user-100": Error: no hundreds$/,
      /throws\.ts:2:\d+$/,
    ],
    [
      'promises.ts',
      'export default async ({ value }) => value;',
      'USER_PROMISE',
      /^--map count\.seen, key "user-\d+": it returned a promise$/,
    ],
    [
      'text.ts',
      'export default () => "text";',
      'VALUE_REFUSED',
      /key "user-\d+": the new value: a string, no number/,
    ],
    [
      'loops.ts',
      'export default ({ value }) => { while (value === 200); return value; };',
      'STEP_TIMEOUT',
      /^--map count\.seen, key "user-200": no answer within 300ms$/,
    ],
    [
      'exits.ts',
      'export default () => process.exit(0);',
      'USER_EXIT',
      /exits\.ts called process\.exit\(0\) at .*exits\.ts:1:/,
    ],
    [
      'none.ts',
      'export const map = 1;',
      'DEFINITION_INVALID',
      /none\.ts: expected a function as default export, found none/,
    ],
    [
      'number.ts',
      'export default 5;',
      'DEFINITION_INVALID',
      /expected a function as default export, found a number/,
    ],
    ['syntax.ts', 'export default (', 'DEFINITION_INVALID', /^--map: .*syntax\.ts does not build/],
    [
      'top.ts',
      'throw new RangeError("at the top");',
      'DEFINITION_INVALID',
      /RangeError: at the top/,
      /top\.ts:1:/,
    ],
    [
      'waits.ts',
      'await new Promise(() => {}); export default () => 1;',
      'DEFINITION_INVALID',
      /awaits something at its top level/,
    ],
    ['absent.ts', '', 'FILE_NOT_FOUND', /^--map: /],
  ];
  for (const [name, code, expected, says, at] of CASES) {
    test(`${name}: ${expected}`, async () => {
      if (code !== '') await module(name, code);
      const disk = await twoStates(1000);
      const paths = disk.paths();
      const { startMapper } = mapper({ timeoutMs: 300 });
      await assert.rejects(prepared(disk, { map: [`count.seen=${name}`] }, { startMapper }), (error) => {
        assert.ok(error instanceof TidemarkError, String(error));
        assert.equal(error.code, expected, error.message);
        assert.match(error.message, says);
        assert.ok(error.hint !== undefined);
        if (at !== undefined) assert.match(error.details.at ?? '', at);
        return true;
      });
      assert.deepEqual(disk.paths(), paths);
    });
  }

  test('given up on in the middle of a call, ends at once', async () => {
    await module('long.ts', 'export default () => { for (;;); };');
    const disk = await twoStates(100);
    const stop = new AbortController();
    const { startMapper } = mapper({ signal: stop.signal });
    const stopping: typeof startMapper = async (tables) => {
      const real = await startMapper(tables);
      return {
        map(block) {
          const answer = real.map(block);
          stop.abort();
          return answer;
        },
        close: () => real.close(),
      };
    };
    await assert.rejects(
      prepared(disk, { map: ['count.seen=long.ts'] }, { startMapper: stopping, signal: stop.signal }),
      (error) => error === stop.signal.reason,
    );
  });

  test('leaves no bundle behind', async () => {
    assert.deepEqual(await readdir(join(folder, 'temporary')), []);
  });
});
