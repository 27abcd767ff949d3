// The test runner behind `npm test`.
//
//     npm test                                  every test
//     npm test -- format graph/params           test files whose path holds one of these
//     npm test -- --test-name-pattern=rescale   options of `node --test` (written with =) go through
//
// It hands `node --test` a list of files, because what it makes of folders and globs differs between Node 20, 22 and
// 24; where all of them run, the files of some rooms are one process, each a suite of its own name there. Each run has a
// temporary folder of its own, removed with all that tests left there.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const PROJECT = dirname(dirname(fileURLToPath(import.meta.url)));
const DIST = join(PROJECT, 'dist');
const BUNDLED = join(DIST, 'src', 'bundled');
const OUTPUT = /\.(?:js|js\.map|d\.ts)$/;
const TEST = /\.test\.js$/;
/** Tests start processes and wait for them: four at a time keep two cores busy. */
const CONCURRENCY = 4;
/** The rooms whose tests take longest, by far: they go first, so that nothing long is left when all else is done. */
const LONGEST = ['package', 'kafka', 'crash', 'state', 'archive', 'cli', 'job', 'nexmark', 'time', 'rewrite'];
/**
 * Rooms whose tests leave alone what is of a process (environment, working directory, signals, its end). To start one
 * and to load the same modules for each file took longer than most of these files take.
 */
const TOGETHER = [
  ...['archive', 'async', 'base', 'catalog', 'checkpoint', 'codec', 'format', 'graph'],
  ...['joins', 'restore', 'rewrite', 'runtime', 'state', 'store', 'testing'],
];

process.exitCode = await main(process.argv.slice(2));

async function main(args) {
  sweep();
  const missing = uncompiled();
  if (missing.length > 0) {
    return fail(`not compiled: ${missing.join(', ')}`, 'rm -rf dist && npm run build');
  }
  const wanted = args.filter((arg) => !arg.startsWith('-'));
  const options = args.filter((arg) => arg.startsWith('-'));
  const files = listFiles(join(DIST, 'test'))
    .filter((file) => TEST.test(file))
    .filter((file) => wanted.length === 0 || wanted.some((part) => shown(file).includes(part)))
    .sort((a, b) => turn(a) - turn(b) || (a < b ? -1 : 1));
  if (files.length === 0) return fail(`no test file matches ${wanted.join(', ')}`, 'ls test/*/*.test.ts');
  return await run(options, files, wanted.length === 0);
}

/** A compiled file whose source is gone would be run, or imported, for ever. */
function sweep() {
  for (const file of listFiles(DIST)) {
    if (file.startsWith(BUNDLED + sep)) continue;
    if (OUTPUT.test(file) && !existsSync(sourceOf(file))) rmSync(file);
  }
}

/** tsc's record of what is compiled does not notice that its output was removed. */
function uncompiled() {
  const source = join(PROJECT, 'test');
  return listFiles(source)
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => !existsSync(join(DIST, 'test', file.slice(source.length).replace(/\.ts$/, '.js'))))
    .map((file) => file.slice(PROJECT.length + 1));
}

function turn(file) {
  const room = LONGEST.indexOf(roomOf(file));
  return room < 0 ? LONGEST.length : room;
}

function roomOf(file) {
  return shown(file).split('/')[1];
}

/** The files, but for one module in place of all files of a room of TOGETHER. */
function together(files, folder) {
  const modules = new Map();
  for (const file of files) {
    const room = roomOf(file);
    const name = TOGETHER.includes(room) ? join(folder, `${room}.test.mjs`) : file;
    modules.set(name, [...(modules.get(name) ?? []), file]);
  }
  for (const [name, parts] of modules) if (name !== parts[0]) writeFileSync(name, importing(parts));
  return [...modules.keys()];
}

/** Each file is a suite: hooks that stand at its top level are its own, as where it runs alone. */
function importing(files) {
  const suites = files.map(
    (file) => `describe('${shown(file)}', async () => void (await import('${pathToFileURL(file)}')));`,
  );
  return ["import { describe } from 'node:test';", ...suites, ''].join('\n');
}

function run(options, files, all) {
  const temporary = mkdtempSync(join(tmpdir(), 'tidemark-'));
  const modules = all ? together(files, temporary) : files;
  const env = { ...process.env, TMPDIR: temporary };
  // What is fetched for all runs, once.
  env.TIDEMARK_TEST_KAFKA_DIR ??= tmpdir();
  delete env.TIDEMARK_HOME;
  // More certificates cost Node 20 three times its start; tests that need them (test/package) take them from here.
  if (env.NODE_EXTRA_CA_CERTS !== undefined) env.TIDEMARK_TEST_CERTIFICATES = env.NODE_EXTRA_CA_CERTS;
  delete env.NODE_EXTRA_CA_CERTS;
  if (env.TIDEMARK_TEST_SEED === 'random') {
    env.TIDEMARK_TEST_SEED = String(randomInt(2 ** 31));
    process.stdout.write(`TIDEMARK_TEST_SEED=${env.TIDEMARK_TEST_SEED}\n`);
  }
  const node = ['--test', `--test-concurrency=${CONCURRENCY}`, ...reporter(options), ...options, ...modules];
  const child = spawn(process.execPath, node, { cwd: PROJECT, env, stdio: 'inherit' });
  // The terminal sends these to the tests as well; here they only must not leave the folder behind.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      rmSync(temporary, { recursive: true, force: true, maxRetries: 3 });
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}

/** Node 20 and 22 choose another reporter where stdout is no terminal. */
function reporter(options) {
  if (options.some((option) => option.startsWith('--test-reporter'))) return [];
  return ['--test-reporter=spec', '--test-reporter-destination=stdout'];
}

function listFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

function sourceOf(file) {
  return join(PROJECT, file.slice(DIST.length).replace(OUTPUT, '.ts'));
}

function shown(file) {
  return sourceOf(file)
    .slice(PROJECT.length + 1)
    .split(sep)
    .join('/');
}

function fail(message, hint) {
  process.stderr.write(`error: ${message}\n  hint: ${hint}\n`);
  return 2;
}
