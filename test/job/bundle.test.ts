import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { TidemarkError } from '../../src/base/errors.js';
import { bundleDefinition } from '../../src/job/bundle.js';
import { exposeLibrary } from '../../src/job/library.js';
import { type DefinitionFolder, definitionFolder } from './definition-folder.js';

const LIBRARY = {
  defineJob: (...given: unknown[]) => ({ job: given[0], given }),
  param: { string: () => 'a string' },
  type: () => ({}),
};
const libraryNames = exposeLibrary(LIBRARY);
const bundle = (file: string) => bundleDefinition(file, { libraryNames });

let loads = 0;

/** Stores the bundle far from its sources and runs it in this thread. */
async function load(folder: DefinitionFolder, file: string): Promise<{ readonly default?: unknown }> {
  const { code } = await bundle(file);
  return run(folder, code);
}

function run(folder: DefinitionFolder, code: string): Promise<{ readonly default?: unknown }> {
  const stored = join(dirname(folder.root), `stored-${loads++}.mjs`);
  writeFileSync(stored, code);
  return import(pathToFileURL(stored).href);
}

async function defaultOf(folder: DefinitionFolder, file: string): Promise<unknown> {
  return (await load(folder, file)).default;
}

async function refused(
  context: TestContext,
  files: Readonly<Record<string, string>>,
): Promise<TidemarkError> {
  const folder = definitionFolder(context);
  for (const [path, text] of Object.entries(files)) folder.write(path, text);
  const error: unknown = await bundle(folder.path('job.ts')).then(
    () => assert.fail('expected the definition to be refused'),
    (reason) => reason,
  );
  assert.ok(error instanceof TidemarkError);
  return error;
}

test('TypeScript with enums, parameter properties, decorators, top-level await and every kind of specifier', async (t) => {
  const folder = definitionFolder(t);
  folder.write('helper.ts', 'export enum Colour { Red = 3, Green }');
  folder.write('lib/index.ts', 'export const lib: number = 5;');
  folder.write('data.json', '{"size": 7}');
  const job = folder.write(
    'job.ts',
    `import { Colour } from './helper.js';
     import { Colour as Again } from './helper';
     import { lib } from './lib';
     import data from './data.json' with { type: 'json' };
     import { basename } from 'path';
     class Point { constructor(readonly x: number, private y = 2) {} get sum() { return this.x + this.y; } }
     const slow = await Promise.resolve(new Point(1).sum satisfies number);
     const late = await import('./helper.js');
     export default [Colour.Green, Again.Red, lib, data.size, slow, late.Colour.Red, basename('/a/b')];`,
  );
  assert.deepEqual(await defaultOf(folder, job), [4, 3, 5, 7, 3, 3, 'b']);
});

test("the user's tsconfig paths are honoured", async (t) => {
  const folder = definitionFolder(t);
  folder.write('tsconfig.json', '{ "compilerOptions": { "paths": { "@lib/*": ["./deep/er/*"] } } }');
  folder.write('deep/er/one.ts', 'export const one = 1;');
  const job = folder.write('job.ts', "import { one } from '@lib/one'; export default one;");
  assert.equal(await defaultOf(folder, job), 1);
});

test('the bundle needs neither its sources nor its packages, and keeps what they were', async (t) => {
  const folder = definitionFolder(t);
  folder.write('helper.ts', 'export const version = 1;');
  folder.write(
    'node_modules/esm-package/package.json',
    '{"name":"esm-package","type":"module","exports":"./main.js"}',
  );
  folder.write('node_modules/esm-package/main.js', "export const name = 'esm-package';");
  const job = folder.write(
    'job.mjs',
    "import { version } from './helper.js'; import { name } from 'esm-package'; export default [version, name];",
  );
  const frozen = await bundle(job);
  assert.deepEqual(
    frozen.inputs,
    ['helper.ts', 'job.mjs', 'node_modules/esm-package/main.js'].map(folder.path).sort(),
  );
  assert.deepEqual(frozen.external, []);
  rmSync(folder.root, { recursive: true });
  assert.deepEqual((await run(folder, frozen.code)).default, [1, 'esm-package']);
});

test('CommonJS packages work: require of Node and of each other, module.exports, their own __dirname', async (t) => {
  const folder = definitionFolder(t);
  folder.write('node_modules/cjs-package/package.json', '{"name":"cjs-package","main":"./lib/main.js"}');
  folder.write(
    'node_modules/cjs-package/lib/main.js',
    `#!/usr/bin/env node
// a package
'use strict';
const path = require('path');
const other = require('other-package');
const missing = (() => { try { return require('not-installed'); } catch (error) { return error.code; } })();
module.exports = {
  base: path.basename(__filename), dir: __dirname, other, missing,
  data: require(path.join(__dirname, 'data.json')), strict: (function () { return this === undefined; })(),
};`,
  );
  const data = folder.write('node_modules/cjs-package/lib/data.json', '{"n": 1}');
  folder.write('node_modules/other-package/package.json', '{"name":"other-package"}');
  folder.write('node_modules/other-package/index.js', 'exports.util = require("node:util").inspect(1);');
  const job = folder.write(
    'job.ts',
    `import it, { base } from 'cjs-package';
     import { createRequire } from 'node:module';
     const require = createRequire(import.meta.url);
     export default { ...it, base, own: require('other-package').util };`,
  );
  assert.deepEqual(await defaultOf(folder, job), {
    base: 'main.js',
    dir: dirname(data),
    other: { util: '1' },
    missing: 'MODULE_NOT_FOUND',
    data: { n: 1 },
    strict: true,
    own: '1',
  });
});

test('a definition may be CommonJS itself', async (t) => {
  const folder = definitionFolder(t);
  const job = folder.write(
    'job.cjs',
    "const { defineJob } = require('tidemark'); module.exports = defineJob('from-cjs', __filename);",
  );
  assert.deepEqual(await defaultOf(folder, job), { job: 'from-cjs', given: ['from-cjs', job] });
});

test('a definition may name require itself, and start with a hashbang', async (t) => {
  const folder = definitionFolder(t);
  const job = folder.write(
    'job.mjs',
    `#!/usr/bin/env tidemark
import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
export default require('node:os') === process.getBuiltinModule('os');`,
  );
  assert.equal(await defaultOf(folder, job), true);
});

test('packages with native code stay outside, as URLs for import and paths for require', async (t) => {
  const folder = definitionFolder(t);
  folder.write('node_modules/with-gyp/package.json', '{"name":"with-gyp","main":"index.js"}');
  folder.write('node_modules/with-gyp/binding.gyp', '{}');
  folder.write('node_modules/with-gyp/index.js', 'exports.place = __filename; exports.count = 0;');
  folder.write(
    'node_modules/@scope/addon/package.json',
    '{"name":"@scope/addon","dependencies":{"bindings":"1"}}',
  );
  folder.write('node_modules/@scope/addon/sub/deep.js', 'module.exports = __filename;');
  folder.write('node_modules/user/package.json', '{"name":"user"}');
  folder.write('node_modules/user/index.js', "exports.required = require('with-gyp');");
  folder.write('own.node', 'not a library');
  const job = folder.write(
    'job.ts',
    `import * as imported from 'with-gyp';
     import deep from '@scope/addon/sub/deep.js';
     import { required } from 'user';
     import { createRequire } from 'node:module';
     const late = await import('with-gyp');
     export const addon = () => import('./own.node');
     required.count++;
     export default [imported.place, deep, required.place, late.default === required, imported.default.count];`,
  );
  const { external, code } = await bundle(job);
  assert.deepEqual(external, [folder.path('own.node'), '@scope/addon', 'with-gyp'].sort());
  assert.match(
    code,
    new RegExp(`from "${pathToFileURL(folder.path('node_modules/with-gyp/index.js')).href}"`),
  );
  const place = folder.path('node_modules/with-gyp/index.js');
  const deep = folder.path('node_modules/@scope/addon/sub/deep.js');
  assert.deepEqual((await run(folder, code)).default, [place, deep, place, true, 1]);
});

test('import.meta is that of each source file', async (t) => {
  const folder = definitionFolder(t, 'with space #1 %20');
  folder.write(
    'sub/helper.js',
    "const { url } = import.meta;\nexport const helper = [url, import.meta.resolve('./x.json'), import.meta.resolve('fs'), import.meta.resolve('pack')];",
  );
  folder.write(
    'own.mjs',
    "import { dirname } from 'node:path';\nimport { fileURLToPath } from 'node:url';\nconst __filename = fileURLToPath(import.meta.url);\nconst __dirname = dirname(__filename);\nexport const own = [__dirname, __filename];",
  );
  folder.write(
    'common.cts',
    "const { join } = require('node:path');\nmodule.exports = join(__dirname, 'x');",
  );
  folder.write('node_modules/pack/package.json', '{"name":"pack","main":"./m.js"}');
  const pack = folder.write('node_modules/pack/m.js', '/* import.meta, in a comment */ module.exports = 1;');
  const job = folder.write(
    'job.ts',
    `import { helper } from './sub/helper.js';
import pack from 'pack';
import { own } from './own.mjs';
import common from './common.cjs';
const dirname = 'own';
export default { helper, url: import.meta.url, dir: import.meta.dirname, file: import.meta.filename, pack, own, common, dirname, __dirname } // last`,
  );
  const url = (path: string) => pathToFileURL(path).href;
  assert.deepEqual(await defaultOf(folder, job), {
    helper: [url(folder.path('sub/helper.js')), url(folder.path('sub/x.json')), 'node:fs', url(pack)],
    url: url(job),
    dir: folder.root,
    file: job,
    pack: 1,
    own: [folder.root, folder.path('own.mjs')],
    common: folder.path('x'),
    dirname: 'own',
    __dirname: folder.root,
  });
});

test('the library is the one of the running thread, for the definition and for its packages', async (t) => {
  const folder = definitionFolder(t);
  const copy = 'export const defineJob = () => "a copy"; export const param = 0; export const type = 0;';
  folder.write('node_modules/tidemark/package.json', '{"name":"tidemark","type":"module","main":"index.js"}');
  folder.write('node_modules/tidemark/index.js', copy);
  folder.write(
    'node_modules/connector/package.json',
    '{"name":"connector","type":"module","main":"index.js"}',
  );
  folder.write('node_modules/connector/index.js', "export { defineJob } from 'tidemark';");
  const job = folder.write(
    'job.ts',
    "import * as all from 'tidemark'; import { defineJob as theirs } from 'connector'; export default { all, theirs };",
  );
  const { all, theirs } = (await defaultOf(folder, job)) as { all: object; theirs: unknown };
  assert.deepEqual({ ...all }, LIBRARY);
  assert.equal(theirs, LIBRARY.defineJob);
});

test('the hash depends on the inputs and their places, not on the caller or unused exports of the library', async (t) => {
  const folder = definitionFolder(t);
  folder.write('helper.ts', 'export const x = import.meta.url;');
  const job = folder.write(
    'job.ts',
    "import { x } from './helper'; import { param } from 'tidemark'; export default [x, param];",
  );
  const first = await bundle(job);
  assert.equal(first.hash, createHash('sha256').update(first.code).digest('hex'));
  const cwd = process.cwd();
  process.chdir(folder.root);
  t.after(() => process.chdir(cwd));
  assert.equal((await bundle('job.ts')).hash, first.hash);
  assert.equal((await bundleDefinition(job, { libraryNames: [...libraryNames, 'later'] })).hash, first.hash);
  const links = join(realpathSync(tmpdir()), `tidemark-link-${process.pid}`);
  symlinkSync(folder.root, links);
  t.after(() => rmSync(links));
  assert.equal((await bundle(join(links, 'job.ts'))).hash, first.hash);
  folder.write('helper.ts', 'export const x = import.meta.dirname;');
  assert.notEqual((await bundle(job)).hash, first.hash);
  cpSync(folder.root, `${folder.root}-2`, { recursive: true });
  assert.equal((await bundle(join(`${folder.root}-2`, 'job.ts'))).code.includes(`${folder.root}/`), false);
});

test('two builds at once do not stop each other', async (t) => {
  const folder = definitionFolder(t);
  const jobs = [1, 2, 3, 4].map((n) => folder.write(`job${n}.ts`, `export default ${n};`));
  const built = await Promise.all(jobs.map(bundle));
  assert.equal(new Set(built.map(({ hash }) => hash)).size, 4);
});

test('all findings of a build are told with their places', async (t) => {
  const error = await refused(t, {
    'job.ts':
      "import { a } from './absent.js';\nimport b from 'not-installed/sub';\nimport './broken.js';\nexport default [a, b];",
    'broken.ts': 'const x: number = ;\n',
  });
  assert.equal(error.code, 'DEFINITION_INVALID');
  assert.match(error.message, /job\.ts:1:19: Could not resolve ".\/absent.js"/);
  assert.match(error.message, /job\.ts:2:15: Could not resolve "not-installed\/sub"/);
  assert.match(error.message, /broken\.ts:1:19: Unexpected ";"/);
  assert.match(error.hint ?? '', /npm install not-installed$/);
  assert.match(error.details.at ?? '', /\.ts:\d+:\d+$/);
});

test('a name the library lacks is told, and what it has', async (t) => {
  const error = await refused(t, {
    'job.ts': "import { defineJobs } from 'tidemark';\nexport default defineJobs();",
  });
  assert.match(
    error.message,
    /job\.ts:1:10: tidemark has no export "defineJobs"; it has: defineJob, param, type/,
  );
});

test('the testing entry and other subpaths are refused', async (t) => {
  const testing = await refused(t, { 'job.ts': "import 'tidemark/testing';" });
  assert.equal(testing.code, 'DEFINITION_INVALID');
  assert.match(testing.message, /job\.ts:1:8: "tidemark\/testing" is for tests/);
  const inner = await refused(t, { 'job.ts': "import 'tidemark/dist/src/index.js';" });
  assert.match(inner.message, /tidemark has no "tidemark\/dist\/src\/index.js"/);
});

test('an absent file, a folder and another kind of file are told apart', async (t) => {
  const folder = definitionFolder(t);
  await assert.rejects(bundle(folder.path('gone.ts')), { code: 'FILE_NOT_FOUND', exitCode: 4 });
  await assert.rejects(bundle(folder.root), { code: 'DEFINITION_INVALID', message: /found a folder/ });
  const other = folder.write('job.py', 'print(1)');
  await assert.rejects(bundle(other), { code: 'DEFINITION_INVALID', message: /ends in one of \.ts/ });
});
