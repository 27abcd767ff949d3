import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { DEFINITION, type Definition } from '../../src/graph/definition.js';
import { resolveParams } from '../../src/graph/param.js';
import { bundleDefinition } from '../../src/job/bundle.js';
import { exposeLibrary } from '../../src/job/library.js';
import { loadDefinition } from '../../src/job/load-definition.js';
import { userFrame } from '../../src/job/user-frame.js';
import { type DefinitionFolder, definitionFolder } from './definition-folder.js';

const LIBRARY = {
  defineJob: (name: string, build: () => never): Definition => ({
    [DEFINITION]: 1,
    name,
    params: {},
    settings: {},
    build,
  }),
  resolveParams,
};
const libraryNames = exposeLibrary(LIBRARY);

/** Bundles, forgets the source, and stores the bundle elsewhere under its hash, as a home does. */
async function frozen(folder: DefinitionFolder, file: string): Promise<string> {
  const { code, hash } = await bundleDefinition(file, { libraryNames });
  const stored = join(dirname(folder.root), `${hash}.mjs`);
  writeFileSync(stored, code);
  rmSync(folder.root, { recursive: true });
  return stored;
}

async function loaded(context: TestContext, text: string, name = 'job.ts'): Promise<Definition> {
  const folder = definitionFolder(context);
  return loadDefinition(await frozen(folder, folder.write(name, text)));
}

function caught(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return assert.fail('expected it to throw');
}

test('loads a definition whose source is gone', async (t) => {
  const definition = await loaded(
    t,
    "import { defineJob } from 'tidemark';\nexport default defineJob('here', () => {});",
  );
  assert.equal(definition.name, 'here');
  assert.equal(definition[DEFINITION], 1);
});

test('loads a CommonJS definition, also one compiled from a module', async (t) => {
  const required = "const { defineJob } = require('tidemark');\n";
  const plain = await loaded(t, `${required}module.exports = defineJob('plain');`, 'job.cjs');
  assert.equal(plain.name, 'plain');
  const compiled = `${required}exports.__esModule = true; exports.default = defineJob('compiled');`;
  assert.equal((await loaded(t, compiled, 'job.cjs')).name, 'compiled');
});

test('what stands in place of a definition is explained', async (t) => {
  const cases: readonly [string, RegExp][] = [
    ['export const job = 1, other = 2;', /no default export, only job, other/],
    ['console.error;', /no export at all/],
    ['export default () => 1;', /a function; did you forget defineJob\?/],
    ['export default async function f() {}', /a function; did you forget defineJob\?/],
    ['export default Promise.resolve(1);', /a promise; write: export default await/],
    ['export default { name: "x" };', /found an object/],
    ['export default [];', /found an array/],
    ['export default null;', /found null/],
    ['export default 5;', /found a number: 5/],
    ['export default "text";', /found "text"/],
  ];
  for (const [text, message] of cases) {
    await assert.rejects(loaded(t, text), { code: 'DEFINITION_INVALID', exitCode: 2, message });
  }
});

test("an error at the top level names the user's line", async (t) => {
  const text = `
interface Padding { readonly a: string }
enum Kind { A, B }

const fail = (kind: Kind): never => {
  throw new RangeError('too much of ' + Kind[kind]);
};
export default fail(Kind.B);
`;
  const error = await loaded(t, text).catch((reason: unknown) => reason);
  assert.ok(error instanceof TidemarkError);
  assert.equal(error.code, 'DEFINITION_INVALID');
  assert.match(error.message, /while being loaded at .*job\.ts:6:9: RangeError: too much of B/);
  assert.match(error.details.at ?? '', /project\/job\.ts:6:9$/);
  const frames = (error.details.stack ?? '').split('\n');
  assert.match(frames[0] ?? '', /RangeError: too much of B/);
  assert.match(frames[1] ?? '', /job\.ts:6:9/);
  assert.match(frames[2] ?? '', /job\.ts:8:16/);
  assert.doesNotMatch(error.details.stack ?? '', /node:internal|src.job.load-definition/);
});

test('an error of ours keeps its code and gains the line', async (t) => {
  const error = await loaded(
    t,
    "import { resolveParams } from 'tidemark';\n\nexport default resolveParams({}, { x: '1' }, {});",
  ).catch((reason: unknown) => reason);
  assert.ok(error instanceof TidemarkError);
  assert.equal(error.code, 'PARAM_UNKNOWN');
  assert.match(error.hint ?? '', /check the spelling/);
  assert.match(error.details.at ?? '', /job\.ts:3:16$/);
});

test('something thrown that is no error is told', async (t) => {
  await assert.rejects(loaded(t, "throw 'a string';"), { message: /threw "a string"/ });
  await assert.rejects(loaded(t, 'throw undefined;'), { message: /threw undefined/ });
});

test('a bundle that is gone and an addon that is gone are told apart', async (t) => {
  const folder = definitionFolder(t);
  await assert.rejects(loadDefinition(folder.path('gone.mjs')), { code: 'FILE_NOT_FOUND', exitCode: 4 });
  folder.write('node_modules/addon/package.json', '{"name":"addon","gypfile":true}');
  folder.write('node_modules/addon/index.js', 'module.exports = 1;');
  const stored = await frozen(
    folder,
    folder.write('job.ts', "import addon from 'addon'; export default addon;"),
  );
  await assert.rejects(loadDefinition(stored), { code: 'DEFINITION_INVALID', message: /not there: .*addon/ });
});

test("the user's frame is their own file, else a package of theirs", async (t) => {
  const folder = definitionFolder(t);
  folder.write('node_modules/pack/package.json', '{"name":"pack","type":"module","main":"./index.js"}');
  folder.write(
    'node_modules/pack/index.js',
    "export function check(x) {\n  if (!x) throw new Error('checked');\n}",
  );
  const job = folder.write(
    'job.ts',
    `import { defineJob } from 'tidemark';
import { check } from 'pack';
import { deep } from './lib/deep';
export default Object.assign(defineJob('frames', () => check(0)), {
  deep,
  later: () => check,
});`,
  );
  folder.write(
    'lib/deep.ts',
    'type T = string;\nexport function deep(): T {\n  return (undefined as unknown as T).trim();\n}',
  );
  const definition = (await loadDefinition(await frozen(folder, job))) as Definition & {
    deep(): never;
    later(): (x: number) => void;
  };
  assert.equal(userFrame(caught(() => definition.build({})))?.at, `${job}:4:56`);
  assert.equal(userFrame(caught(definition.deep), folder.root)?.at, 'lib/deep.ts:3:38');
  assert.equal(
    userFrame(caught(definition.deep), join(folder.root, 'elsewhere'))?.at,
    `${folder.path('lib/deep.ts')}:3:38`,
  );
  const check = definition.later();
  const viaPackage = caught(() => check(0));
  assert.ok(viaPackage instanceof Error);
  const wrapped = new Error('outer', { cause: viaPackage });
  wrapped.stack = 'Error: outer\n    at node:internal/x:1:1';
  assert.equal(userFrame(wrapped)?.at, userFrame(viaPackage)?.at);
  viaPackage.stack = (viaPackage.stack ?? '').split('\n').slice(0, 2).join('\n');
  assert.equal(userFrame(viaPackage)?.at, `${folder.path('node_modules/pack/index.js')}:2:17`);
});

test('no frame is found where there is none', () => {
  assert.equal(userFrame('text'), undefined);
  assert.equal(userFrame(Object.assign(new Error('x'), { stack: 5 })), undefined);
  const client = new Error('x');
  client.stack = 'Error: x\n    at f (/p/node_modules/@platformatic/kafka/dist/network/connection.js:411:23)';
  assert.equal(userFrame(client), undefined, 'a client of a connector is no source of the user');
  const thrower = Object.defineProperty(new Error('x'), 'stack', {
    get() {
      throw new Error('no stack for you');
    },
  });
  assert.equal(userFrame(thrower), undefined);
  const endless = new Error('x');
  endless.stack = 'Error: x';
  endless.cause = endless;
  assert.equal(userFrame(endless), undefined);
});
