/**
 * The package, installed from its tarball: in a project, globally, both at once, and through npx. What is looked
 * for each time: the command runs a job written in TypeScript to its end, with one instance of the library.
 *
 * TIDEMARK_TEST_FULL_INSTALL=1 runs the install scripts of dependencies as well.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  bindingOf,
  dependencyOf,
  install,
  installedGlobally,
  installedIn,
  lendBinding,
  MANIFEST,
  mark,
  npx,
  Offline,
  PROJECT,
  pack,
  run,
} from './npm.js';
import { checkNativeError, checkSmallJob, runSmallJob, writeJobs } from './small-job.js';

const NODE = process.execPath;
const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { version: string };

const folder = mkdtempSync(join(tmpdir(), 'tidemark-install-'));
const project = join(folder, 'project');
const prefix = join(folder, 'global');
/** No node_modules here or in any folder above. */
const bare = join(folder, 'bare');
const local = installedIn(NODE, project);
const global = installedGlobally(NODE, prefix);

let packed: ReturnType<typeof pack>;
let offline: string | undefined;

function prepare(): void {
  packed = pack(folder);
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), MANIFEST);
  install(NODE, [packed.tarball], project);
  mkdirSync(prefix);
  writeJobs(bare);
  install(NODE, ['--global', '--prefix', prefix, packed.tarball], bare);
  for (const installed of [local, global]) lendBinding(installed);
  mark(local, 'local');
  mark(global, 'global');
  writeJobs(project);
}

before(() => {
  try {
    prepare();
  } catch (error) {
    if (!(error instanceof Offline)) throw error;
    offline = error.message;
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** A test of what is installed; skipped, with the reason, where nothing could be. */
function installedTest(name: string, work: () => void): void {
  test(name, (t) => (offline === undefined ? work() : t.skip(offline)));
}

describe('what is in the package', () => {
  test('the command, the build, the licence and what to read; no tests, no sources, no fixtures but for systemd', () => {
    const files = new Set(packed.files);
    const command = ['bin/tidemark', 'dist/src/bundled/main.js', 'dist/src/bundled/data-thread.js'];
    for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md', 'package.json', ...command]) {
      assert(files.has(file), file);
    }
    const allowed =
      /^(?:[A-Z]+(?:\.md)?|package\.json|bin\/(?:tidemark|package\.json)|dist\/src\/.+\.(?:js|d\.ts|js\.map)|src\/.+\.md|docs\/.+\.md|fixtures\/(?:ci|systemd)\/.+)$/;
    assert.deepEqual(
      packed.files.filter((file) => !allowed.test(file)),
      [],
    );
    for (const folder of ['fixtures/ci/', 'fixtures/systemd/'])
      assert(
        packed.files.some((file) => file.startsWith(folder)),
        folder,
      );
    assert(files.has('docs/README.md'), 'what the README links to');
  });

  test('every file that package.json exports', () => {
    const { exports } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as {
      exports: unknown;
    };
    const targets = JSON.stringify(exports).match(/\.\/[^"]+\.(?:js|ts|json)(?=")/g) ?? [];
    assert(targets.length > 0);
    for (const target of targets) assert(packed.files.includes(target.slice(2)), target);
  });
});

describe('installed', () => {
  installedTest('in a project', () => {
    runSmallJob(local, project, 'local', version);
    assert(existsSync(join(project, '.tidemark')), 'its home is in the folder it was called in');
  });

  installedTest('in a project, whose own code imports every export', () => {
    const { exports } = JSON.parse(readFileSync(join(local.root, 'package.json'), 'utf8')) as {
      exports: Readonly<Record<string, unknown>>;
    };
    const names = Object.keys(exports).filter((name) => !name.endsWith('.json'));
    const script = names.map((name) => `await import('${name.replace('.', 'tidemark')}');`).join('\n');
    assert.deepEqual(run(NODE, ['--input-type=module', '--eval', script], project), {
      code: 0,
      stdout: '',
      stderr: '',
    });
  });

  installedTest('in a project, called through npx', () => {
    checkSmallJob((args) => npx(NODE, ['tidemark', ...args], project), project, 'local', 'out-npx');
  });

  installedTest('in a project, whose dependency is written with tidemark, too', () => {
    const shared = join(project, 'node_modules', 'shared-operators');
    mkdirSync(shared);
    writeFileSync(
      join(shared, 'package.json'),
      '{ "name": "shared-operators", "type": "module", "exports": "./index.js" }',
    );
    writeFileSync(join(shared, 'index.js'), readFileSync(join(project, 'counted.ts'), 'utf8'));
    const other = join(project, 'with-dependency');
    writeJobs(other);
    writeFileSync(join(other, 'counted.ts'), "export { counted } from 'shared-operators';\n");
    runSmallJob(local, other, 'local', version);
  });

  installedTest('globally, the definition in a folder without node_modules', () => {
    runSmallJob(global, bare, 'global', version);
  });

  installedTest('globally, called in a project that has a copy of its own', () => {
    runSmallJob(global, project, 'global', version);
  });

  installedTest('with a native part that is broken, or missing', () => {
    const binding = bindingOf(local);
    const napi = dependencyOf(local, 'better-sqlite3-napi');
    assert(binding !== undefined, 'npm installed better-sqlite3');
    if (napi !== undefined) rmSync(napi, { recursive: true });
    mkdirSync(dirname(binding), { recursive: true });
    writeFileSync(binding, 'no addon');
    checkNativeError(local, project);
    rmSync(binding);
    checkNativeError(local, project);
    lendBinding(local);
  });
});

describe('the types of the package, seen from outside', () => {
  /** tsc of this tree, as strict as can be, over the installed .d.ts files, which bring Node's types themselves. */
  function check(files: Readonly<Record<string, string>>): string {
    const at = join(project, 'types');
    rmSync(at, { recursive: true, force: true });
    writeJobs(at);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(at, name), text);
    const compilerOptions = {
      target: 'es2023',
      lib: ['es2023'],
      module: 'nodenext',
      types: [],
      noEmit: true,
      strict: true,
      skipLibCheck: false,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
    };
    writeFileSync(join(at, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
    const { code, stdout, stderr } = run(
      NODE,
      [join(PROJECT, 'node_modules/typescript/bin/tsc'), '-p', '.'],
      at,
    );
    assert.equal(stderr, '');
    assert.equal(code === 0, stdout === '', stdout);
    return stdout;
  }

  installedTest('definitions, and the examples of the README, compile', () => {
    const readme = readFileSync(join(PROJECT, 'README.md'), 'utf8');
    const examples = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, text = '']) => text);
    const whole = examples.filter((text) => text.includes('export default defineJob('));
    assert(whole.length > 0, 'the README has an example');
    const files = Object.fromEntries(whole.map((text, index) => [`readme-${index}.ts`, text]));
    const test = "export { testJob } from 'tidemark/testing';\n";
    assert.equal(check({ ...files, 'test.ts': test }), '');
  });

  installedTest('a wrong set does not compile', () => {
    const counted =
      "import { state } from 'tidemark';\nexport const counted = { seen: state.value<string>() };\n";
    assert.match(check({ 'counted.ts': counted }), /^job\.ts\(\d+,\d+\): error TS2322: Type 'string'/m);
  });
});
