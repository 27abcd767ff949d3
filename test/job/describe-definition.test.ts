import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { homePaths } from '../../src/base/home.js';
import { realDisk } from '../../src/base/real-disk.js';
import { verifyBundle } from '../../src/job/bundle-store.js';
import { type DescribeOptions, describeDefinition, MAX_OUTPUT } from '../../src/job/describe-definition.js';
import { definitionFolder } from './definition-folder.js';

const WORD_COUNT = `import { defineJob, fromArray, param, state, stdout, type } from 'tidemark';
enum Unit { One = 1 }
export default defineJob(
  'word-count',
  {
    params: { words: param.string(), limit: param.number(10), apiToken: param.secret(), other: param.secret('OTHER') },
    parallelism: 2,
    checkpoint: { interval: '5s' },
  },
  (job, p) => {
    job
      .source('words', fromArray(p.words.split(',')))
      .keyBy((word) => word)
      .process('count', {
        state: { seen: state.number(0) },
        emits: type<string>(),
        onElement(word, ctx) { ctx.state.seen.add(Unit.One); ctx.emit(word); },
      })
      .sink('out', stdout());
  },
);
`;

const GIVEN = { params: { words: 'a,b' }, environment: { API_TOKEN: 't', OTHER: 'o' } };

function describe(context: TestContext, text: string, options: DescribeOptions = {}) {
  const folder = definitionFolder(context);
  return describeDefinition(folder.write('job.ts', text), { output: () => undefined, ...options });
}

/** A definition that does something while it is loaded. */
const doing = (code: string) =>
  `import { defineJob } from 'tidemark';\n${code}\nexport default defineJob('doing', {}, () => {});`;

test('describes name, parameters, declared settings and the dataflow as it would run', async (t) => {
  const described = await describe(t, WORD_COUNT, { ...GIVEN, overrides: { parallelism: '3' } });
  assert.equal(described.name, 'word-count');
  assert.deepEqual(described.params, [
    { name: 'words', kind: 'string' },
    { name: 'limit', kind: 'number', default: 10 },
    { name: 'apiToken', kind: 'secret', env: 'API_TOKEN' },
    { name: 'other', kind: 'secret', env: 'OTHER' },
  ]);
  assert.deepEqual(described.settings, { parallelism: 2, checkpoint: { interval: '5s' } });
  assert.deepEqual(
    described.graph?.nodes.map(({ name }) => name),
    ['words', 'keyBy', 'count', 'out'],
  );
  assert.equal(described.graph?.settings?.parallelism, 3);
  assert.equal(described.graph?.settings?.checkpoint.interval, 5_000);
  assert.match(described.bundle.hash, /^[0-9a-f]{64}$/);
});

test('a missing parameter and a missing secret are usage errors that name it', async (t) => {
  await assert.rejects(describe(t, WORD_COUNT), { code: 'PARAM_MISSING', exitCode: 2, message: /words/ });
  const secret = describe(t, WORD_COUNT, { ...GIVEN, environment: { OTHER: 'o' } });
  await assert.rejects(secret, { code: 'PARAM_MISSING', message: /apiToken/, hint: /API_TOKEN/ });
  const unknown = describe(t, WORD_COUNT, { ...GIVEN, params: { word: 'a' } });
  await assert.rejects(unknown, { code: 'PARAM_UNKNOWN', message: /word/ });
  const withoutGraph = await describe(t, WORD_COUNT, { graph: false });
  assert.equal(withoutGraph.graph, undefined);
  assert.equal(withoutGraph.name, 'word-count');
});

test('a top level that never returns is a timeout', async (t) => {
  const loop = describe(t, doing('for (;;) console.log("still here");'), { timeoutMs: 1_500 });
  await assert.rejects(loop, { code: 'DEFINITION_TIMEOUT', exitCode: 8, message: /job\.ts .*1500 ms/ });
  const waiting = describe(t, doing('await new Promise(() => setInterval(() => 0, 1000));'), {
    timeoutMs: 1_000,
  });
  await assert.rejects(waiting, { code: 'DEFINITION_TIMEOUT' });
});

test('a top level that awaits what cannot happen is told at once', async (t) => {
  const never = describe(t, doing('await new Promise(() => {});'));
  await assert.rejects(never, { code: 'DEFINITION_INVALID', message: /never happen/ });
});

test('a top level that exits, throws, or fails later in a promise is told with its line', async (t) => {
  const exits = describe(t, doing('process.exit(7);'));
  await assert.rejects(exits, { code: 'DEFINITION_INVALID', message: /process\.exit\(7\) at .*job\.ts:2:9/ });
  const throws = describe(t, doing('throw new TypeError("bad start");'));
  await assert.rejects(throws, { code: 'DEFINITION_INVALID', message: /job\.ts:2:7: TypeError: bad start/ });
  const rejects = describe(
    t,
    doing('Promise.reject(new Error("unheard")); await new Promise((r) => setTimeout(r, 5000));'),
  );
  await assert.rejects(rejects, { code: 'DEFINITION_INVALID', message: /job\.ts:2:16: Error: unheard/ });
});

test('a timer left behind does not keep the answer', async (t) => {
  const described = await describe(t, doing('setInterval(() => 0, 1000);'), { graph: false });
  assert.equal(described.name, 'doing');
});

test('an error while the dataflow is built names the line; findings on the graph keep their code', async (t) => {
  const build = (body: string) =>
    `import { defineJob, fromArray, stdout } from 'tidemark';\nexport default defineJob('b', {}, (job) => {\n${body}\n});`;
  const thrown = describe(t, build('  throw new Error("no dataflow");'));
  await assert.rejects(thrown, {
    code: 'DEFINITION_INVALID',
    message: /while building its dataflow at .*job\.ts:3:9: Error: no dataflow/,
  });
  const twice = build(
    "  for (const uid of ['a', 'a']) job.source(uid, fromArray([1])).sink('o' + uid, stdout());",
  );
  await assert.rejects(describe(t, twice), { code: 'GRAPH_INVALID', exitCode: 2 });
});

test('a wrong flag or setting is a usage error', async (t) => {
  const wrong = describe(t, WORD_COUNT, { ...GIVEN, overrides: { parallelism: 'many' } });
  await assert.rejects(wrong, { code: 'USAGE', exitCode: 2, message: /parallelism/ });
});

test('what it prints is bounded and handed to the caller', async (t) => {
  let printed = '';
  const noisy = doing('console.log("hello"); for (let n = 0; n < 5000; n++) console.error("x".repeat(500));');
  await describe(t, noisy, { graph: false, output: (text) => (printed += text) });
  assert.match(printed, /^hello\nxxx/);
  assert.ok(printed.length < MAX_OUTPUT + 100);
  assert.match(printed, /dropped\n$/);
});

test('no temporary folder stays behind; a store keeps the bundle', async (t) => {
  const temporary = definitionFolder(t, 'tmp').root;
  const project = definitionFolder(t);
  const job = project.write('job.ts', doing(''));
  const bad = project.write('bad.ts', doing('throw new Error("x");'));
  const options = { graph: false, temporaryFolder: temporary };
  await describeDefinition(job, options);
  await assert.rejects(describeDefinition(bad, options), { code: 'DEFINITION_INVALID' });
  assert.deepEqual(readdirSync(temporary), []);
  const home = homePaths(join(project.root, '.tidemark'));
  const { bundle } = await describeDefinition(job, { graph: false, store: { disk: realDisk, home } });
  assert.equal(await verifyBundle(realDisk, home, bundle.hash), home.bundle(bundle.hash));
});

test('a process that described a definition ends by itself, and its stdout stays clean', (t) => {
  const folder = definitionFolder(t);
  const job = folder.write('job.ts', doing('console.log("printed"); process.stdout.write("raw\\n");'));
  const url = new URL('../../src/job/describe-definition.js', import.meta.url).href;
  const main = folder.write(
    'main.mjs',
    `import { describeDefinition } from ${JSON.stringify(url)};
const { name } = await describeDefinition(${JSON.stringify(job)}, { graph: false });
console.log(name);`,
  );
  const ended = spawnSync(process.execPath, [main], { encoding: 'utf8', timeout: 60_000 });
  assert.deepEqual([ended.status, ended.stdout, ended.stderr], [0, 'doing\n', 'printed\nraw\n']);
});
