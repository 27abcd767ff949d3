// The second half of `npm run build`: what tsc compiled for the command and its threads, in few files.
//
// The command and each of its threads are hundreds of modules, and Node takes longer to find and read them than most
// commands run. So each is bundled to dist/src/bundled, where bin/tidemark begins. Own code only: packages are loaded
// from node_modules. The library that people import, and what tests import, stay the single modules that tsc wrote.
//
// Invariants: names within the folder are those beside which `new URL('./data-thread.js', import.meta.url)` looks;
// bundled/main.js bears the time at which the bundling began, so that bin/tidemark knows of a later tsc; a process
// that still runs finds the files it began with, for an hour.
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

const COMPILED = join(import.meta.dirname, 'dist', 'src');
const BUNDLED = join(COMPILED, 'bundled');
const KEPT_MS = 3_600_000;

/** Each group shares files within itself: the fewer share, the fewer files each one is. */
const GROUPS = [
  { main: 'cli/main.js' },
  {
    'describe-worker': 'job/describe-worker.js',
    'map-worker': 'job/map-worker.js',
    'data-thread': 'job/data-thread.js',
    library: 'index.js',
  },
  { 'store-thread': 'job/store-thread.js' },
  { 'archive-thread': 'job/archive-thread.js' },
];

const began = new Date();
const outputs = (await Promise.all(GROUPS.map(bundle))).flat();
mkdirSync(BUNDLED, { recursive: true });
// What others refer to goes first, and bundled/main.js last.
for (const { path, contents } of outputs.sort((a, b) => rank(a.path) - rank(b.path))) {
  writeFileSync(`${path}.tmp`, contents);
  renameSync(`${path}.tmp`, path);
}
utimesSync(join(BUNDLED, 'main.js'), began, began);
const names = new Set(outputs.map(({ path }) => basename(path)));
for (const name of readdirSync(BUNDLED)) {
  const path = join(BUNDLED, name);
  if (!names.has(name) && began - statSync(path).mtime > KEPT_MS) rmSync(path);
}

async function bundle(group) {
  const { outputFiles } = await build({
    entryPoints: Object.fromEntries(
      Object.entries(group).map(([name, file]) => [name, join(COMPILED, file)]),
    ),
    outdir: BUNDLED,
    chunkNames: '[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: true,
    sourcesContent: false,
    write: false,
  });
  return outputFiles;
}

function rank(path) {
  const name = basename(path);
  if (name.startsWith('main.js')) return 2;
  return GROUPS.some((group) => Object.keys(group).some((entry) => name.startsWith(`${entry}.js`))) ? 1 : 0;
}
