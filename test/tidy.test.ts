/**
 * The house rules that a compiler cannot hold: which room imports which (the table in src/README.md is the source),
 * one place for each library, who writes to the terminal, names, lengths, suppressions.
 *
 * Every rule is a function from a file to findings, so that each can be shown to find something.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, posix, resolve, sep } from 'node:path';
import { describe, test } from 'node:test';

const PROJECT = resolve(import.meta.dirname, '../..');
const MAX_LINES = 500;

/** The room of each library. One file of it imports the library; what only its types are needed for may stand elsewhere. */
const LIBRARIES: Readonly<Record<string, string>> = {
  '@platformatic/kafka': 'connectors',
  'better-sqlite3': 'sqlite',
  chalk: 'cli',
  commander: 'cli',
  'csv-parse': 'connectors',
  'csv-stringify': 'connectors',
  esbuild: 'job',
  ora: 'cli',
  tar: 'format',
  tinyglobby: 'connectors',
  valibot: 'format',
};

/** Where properties get fast-check from: elsewhere its seed would be another in every run. */
const SEEDED = 'test/helpers/property.ts';

type Rule =
  | 'arrows'
  | 'library'
  | 'terminal'
  | 'lines'
  | 'name'
  | 'js'
  | 'suppression'
  | 'machine'
  | 'unused';

/** The only exceptions, each with its reason; one that is not needed any more is a finding itself. */
const EXCEPTIONS: readonly { readonly rule: Rule; readonly of: string; readonly why: string }[] = [
  { rule: 'terminal', of: 'src/cli/dispatch.ts', why: 'hands the streams to the printer and to commander' },
  {
    rule: 'terminal',
    of: 'src/cli/main.ts',
    why: 'the overview is shown before anything is loaded; broken pipes',
  },
  { rule: 'terminal', of: 'src/cli/program.ts', why: 'asks how wide the terminal is' },
  {
    rule: 'terminal',
    of: 'src/job/describe-definition.ts',
    why: 'what user code prints, where no caller takes it',
  },
  { rule: 'suppression', of: 'src/graph/names.ts', why: 'a pattern that looks for control characters' },
  { rule: 'suppression', of: 'src/cli/printer.ts', why: 'a pattern that takes out control characters' },
];

interface Source {
  /** Within the project, with slashes. */
  readonly path: string;
  readonly text: string;
}

interface Finding {
  readonly rule: Rule;
  readonly of: string;
  readonly message: string;
}

interface Import {
  readonly from: string;
  /** Erased by the compiler. */
  readonly typeOnly: boolean;
}

function importsOf(text: string): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const found: Import[] = [];
  for (const [, type, from = ''] of code.matchAll(
    /^(?:import|export)\b(\s+type\b(?!\s*,|\s+from))?[^;'"]*?from\s*'([^']+)'/gm,
  )) {
    found.push({ from, typeOnly: type !== undefined });
  }
  for (const [, from = ''] of code.matchAll(/^import\s*'([^']+)'/gm)) found.push({ from, typeOnly: false });
  for (const [, type, from = ''] of code.matchAll(/(typeof\s+)?\bimport\(\s*'([^']+)'/g)) {
    found.push({ from, typeOnly: type !== undefined });
  }
  for (const [, from = ''] of code.matchAll(/new URL\(\s*'([^']+\.[jt]s)',\s*import\.meta\.url/g)) {
    found.push({ from, typeOnly: false });
  }
  return found;
}

interface Room {
  readonly later: boolean;
  readonly mayImport: ReadonlySet<string>;
}

/** The rows of the first table whose head says `room`, by name; two names in a row are one room. */
function readRooms(markdown: string): Map<string, Room> {
  const rooms = new Map<string, Room>();
  const [, table = ''] = /^\| room \|.*\n\|[- |]+\|\n((?:\|.*\n)+)/m.exec(markdown) ?? [];
  for (const line of table.trimEnd().split('\n')) {
    const [, room = '', , allowed = ''] = line.split('|').map((cell) => cell.trim());
    const names = [...room.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
    const words = allowed === '–' ? [] : allowed.split(',').map((word) => word.trim());
    const mayImport = new Set(words.flatMap((word) => (word === 'all above' ? [...rooms.keys()] : [word])));
    for (const other of mayImport)
      assert(rooms.has(other), `${room} may import ${other}, which is no row above`);
    const row = { later: room.includes('(later)'), mayImport };
    for (const name of names) rooms.set(name, row);
  }
  return rooms;
}

/** The first folder under src, or the file itself where it lies in src. */
function roomOf(path: string): string {
  return path.split('/')[1] ?? '';
}

function packageOf(from: string): string {
  return from.split('/', from.startsWith('@') ? 2 : 1).join('/');
}

function checkImports({ path, text }: Source, rooms: ReadonlyMap<string, Room>): Finding[] {
  const findings: Finding[] = [];
  const own = roomOf(path);
  for (const { from } of importsOf(text)) {
    if (from.startsWith('.')) {
      // Tests hold definitions as text; that their own imports end in .js is for tsc to say.
      if (!path.startsWith('src/')) continue;
      const target = posix.join(posix.dirname(path), from).replace(/\.js$/, '.ts');
      if (target === posix.join(posix.dirname(path), from)) {
        findings.push({ rule: 'js', of: path, message: `'${from}' does not end in .js` });
      }
      const room = target.startsWith('src/') ? roomOf(target) : target;
      const within = rooms.get(own);
      if (room !== own && within !== rooms.get(room) && within?.mayImport.has(room) !== true) {
        findings.push({ rule: 'arrows', of: path, message: `${own} may not import ${room} (${from})` });
      }
    }
  }
  return findings;
}

function checkText({ path, text }: Source): Finding[] {
  const findings: Finding[] = [];
  const add = (rule: Rule, message: string) => findings.push({ rule, of: path, message });
  const lines = text.split('\n').length - 1;
  if (lines > MAX_LINES) add('lines', `${lines} lines, at most ${MAX_LINES}`);
  for (const name of path.split('/').slice(1)) {
    if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)*$/.test(name) && !/^[A-Z]+\.md$/.test(name)) {
      add('name', `'${name}' is not in kebab-case`);
    }
  }
  if (path.startsWith('src/')) {
    const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
    if (/\bprocess\s*\.\s*std(?:out|err)\b|\bconsole\s*\.\s*\w/.test(code))
      add('terminal', 'uses the terminal');
    const suppressed = /biome-ignore\S*|@ts-(?:ignore|expect-error|nocheck)/.exec(text);
    if (suppressed !== null) add('suppression', suppressed[0]);
  }
  const machine = /(?<![\w.*])\/(?:root\b|(?:home|Users)\/\w+\/|work\/(?:main|shared)\b)/.exec(text);
  if (machine !== null) add('machine', `names a folder of one machine: ${machine[0]}`);
  return findings;
}

function checkLibraries(sources: readonly Source[], dependencies: readonly string[]): Finding[] {
  const findings: Finding[] = [];
  const places = new Map<string, string>();
  const used = new Set<string>();
  for (const { path, text } of sources) {
    for (const { from, typeOnly } of importsOf(text)) {
      const name = packageOf(from);
      if (from.startsWith('.') || isBuiltin(from)) continue;
      const add = (message: string) =>
        findings.push({ rule: 'library', of: path, message: `'${name}' ${message}` });
      if (name === 'fast-check' && path !== SEEDED)
        add(`is imported by ${SEEDED} alone, which fixes its seed`);
      if (!path.startsWith('src/')) continue;
      used.add(name);
      if (LIBRARIES[name] !== roomOf(path)) add(`belongs to ${LIBRARIES[name] ?? 'no room'}`);
      else if (!typeOnly && (places.get(name) ?? path) !== path)
        add(`is imported by ${places.get(name)}, too`);
      if (!typeOnly) places.set(name, path);
    }
  }
  for (const name of dependencies) {
    // Two builds of one library, chosen at run time.
    if (used.has(name.replace(/-napi$/, ''))) continue;
    findings.push({ rule: 'unused', of: name, message: 'is a dependency that nothing imports' });
  }
  return findings;
}

/** Findings that no exception covers, and exceptions that cover none. */
function left(findings: readonly Finding[], rules: readonly Rule[]): string[] {
  const exceptions = EXCEPTIONS.filter(({ rule }) => rules.includes(rule));
  const covers = (finding: Finding) =>
    exceptions.some(({ rule, of }) => rule === finding.rule && of === finding.of);
  const unused = exceptions.filter(
    ({ rule, of }) => !findings.some((finding) => finding.rule === rule && finding.of === of),
  );
  return [
    ...findings.filter((finding) => !covers(finding)).map(({ of, message }) => `${of}: ${message}`),
    ...unused.map(({ rule, of }) => `${of}: the exception from '${rule}' is not needed any more`),
  ];
}

function listSources(...folders: readonly string[]): Source[] {
  return folders.flatMap((folder) =>
    readdirSync(join(PROJECT, folder), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && /\.(?:ts|mjs|md)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => ({
        path: file
          .slice(PROJECT.length + 1)
          .split(sep)
          .join('/'),
        text: readFileSync(file, 'utf8'),
      })),
  );
}

function readJson(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(PROJECT, name), 'utf8')) as Record<string, unknown>;
}

const rooms = readRooms(readFileSync(join(PROJECT, 'src/README.md'), 'utf8'));

describe('the tree is tidy', () => {
  const sources = listSources('src', 'test', 'fixtures/jobs', 'fixtures/upgrades');
  const code = sources.filter(({ path }) => path.endsWith('.ts'));

  test('rooms import what src/README.md allows, by its .js name', () => {
    const findings = code.flatMap((source) => checkImports(source, rooms));
    assert.deepEqual(left(findings, ['arrows', 'js']), []);
  });

  test('files are short, named in kebab-case, name no machine, suppress nothing, and leave the terminal alone', () => {
    const findings = sources
      .filter(({ path }) => path !== 'test/tidy.test.ts')
      .flatMap(checkText)
      .filter(({ rule, of }) => rule !== 'lines' || of.endsWith('.ts'));
    assert.deepEqual(left(findings, ['lines', 'name', 'machine', 'suppression', 'terminal']), []);
  });

  test('every room has a row, and every row that is not for later a room', () => {
    const found = new Set(
      sources.filter(({ path }) => /^src\/.*\.ts$/.test(path)).map(({ path }) => roomOf(path)),
    );
    const unknown = [...found].filter((name) => !rooms.has(name));
    const absent = [...rooms].filter(([name, { later }]) => !later && !found.has(name));
    assert.deepEqual({ unknown, absent }, { unknown: [], absent: [] });
  });

  test('every library is imported by one file of its room, every dependency by some', () => {
    const manifest = readJson('package.json');
    const names = [manifest['dependencies'], manifest['optionalDependencies']].flatMap((group) =>
      Object.keys(group as object),
    );
    assert.deepEqual(left(checkLibraries(code, names), ['library', 'unused']), []);
  });

  test('biome refuses any, non-null assertions and console', () => {
    const { linter } = readJson('biome.json') as {
      linter: { rules: Record<string, Record<string, string>> };
    };
    assert.equal(linter.rules['suspicious']?.['noExplicitAny'], 'error');
    assert.equal(linter.rules['suspicious']?.['noConsole'], 'error');
    assert.equal(linter.rules['style']?.['noNonNullAssertion'], 'error');
  });

  test('the lock file says what package.json says and names no download address', () => {
    const manifest = readJson('package.json');
    const lock = readJson('package-lock.json') as { packages: Record<string, Record<string, unknown>> };
    const root = lock.packages[''] ?? {};
    for (const group of [
      'version',
      'dependencies',
      'optionalDependencies',
      'devDependencies',
      'peerDependencies',
      'engines',
    ]) {
      assert.deepEqual(root[group], manifest[group], group);
    }
    const addressed = Object.keys(lock.packages).filter(
      (name) => lock.packages[name]?.['resolved'] !== undefined,
    );
    assert.deepEqual(addressed, []);
  });
});

describe('the rules find what they are for', () => {
  const about = (path: string, text: string) =>
    [...checkImports({ path, text }, rooms), ...checkText({ path, text })].map(({ rule }) => rule);

  test('imports', () => {
    assert.deepEqual(about('src/base/a.ts', "import { a } from '../cli/main.js';\n"), ['arrows']);
    assert.deepEqual(about('src/base/a.ts', "import {\n  a,\n  b,\n} from '../codec/key.js';\n"), ['arrows']);
    assert.deepEqual(about('src/base/a.ts', "export * from '../codec/key.js';\n"), ['arrows']);
    assert.deepEqual(about('src/base/a.ts', "const a = await import('../codec/key.js');\n"), ['arrows']);
    assert.deepEqual(about('src/cli/a.ts', "import '../../test/helpers/values.js';\n"), ['arrows']);
    assert.deepEqual(about('src/graph/a.ts', "import { job } from '../index.js';\n"), ['arrows']);
    assert.deepEqual(about('src/cli/a.ts', "import { a } from '../base/ids.ts';\n"), ['js']);
    assert.deepEqual(about('src/cli/a.ts', "// import { a } from '../nowhere/a.js';\n"), []);
  });

  test('libraries', () => {
    const findings = (files: Readonly<Record<string, string>>, ...dependencies: string[]) =>
      checkLibraries(
        Object.entries(files).map(([path, text]) => ({ path, text })),
        dependencies,
      ).map(({ of, message }) => `${of}: ${message}`);
    const ora = "import ora from 'ora';\n";
    assert.deepEqual(
      findings({ 'src/cli/a.ts': ora, 'src/cli/b.ts': "import type { Ora } from 'ora';\n" }, 'ora'),
      [],
    );
    assert.deepEqual(findings({ 'src/job/a.ts': ora }), ["src/job/a.ts: 'ora' belongs to cli"]);
    assert.deepEqual(findings({ 'src/cli/a.ts': "await import('left-pad/lib');\n" }), [
      "src/cli/a.ts: 'left-pad' belongs to no room",
    ]);
    assert.deepEqual(findings({ 'src/cli/a.ts': ora, 'src/cli/b.ts': ora }), [
      "src/cli/b.ts: 'ora' is imported by src/cli/a.ts, too",
    ]);
    const check = "import fc from 'fast-check';\n";
    assert.deepEqual(findings({ 'test/helpers/property.ts': check, 'test/a.test.ts': check }), [
      "test/a.test.ts: 'fast-check' is imported by test/helpers/property.ts alone, which fixes its seed",
    ]);
    assert.deepEqual(findings({}, 'ora'), ['ora: is a dependency that nothing imports']);
  });

  test('texts', () => {
    assert.deepEqual(about('src/base/a.ts', 'process.stdout.write(text);\n'), ['terminal']);
    assert.deepEqual(about('src/base/a.ts', 'console.error(text);\n'), ['terminal']);
    assert.deepEqual(about('src/base/a.ts', '// console.log is for tests\n'), []);
    assert.deepEqual(about('src/base/aB.ts', ''), ['name']);
    assert.deepEqual(about('src/base/a.ts', '// @ts-ignore\n'), ['suppression']);
    assert.deepEqual(about('test/base/a.test.ts', '// @ts-expect-error\n'), []);
    assert.deepEqual(about('test/base/a.test.ts', "const at = '/home/someone/project';\n"), ['machine']);
    assert.deepEqual(about('src/base/a.ts', '\n'.repeat(501)), ['lines']);
  });

  test('exceptions', () => {
    const terminal = { rule: 'terminal', of: 'src/base/a.ts', message: 'uses the terminal' } as const;
    const messages = left([terminal], ['terminal']);
    assert.equal(messages[0], 'src/base/a.ts: uses the terminal');
    assert.match(messages[1] ?? '', /^src\/cli\/dispatch\.ts: the exception from 'terminal' is not needed/);
  });
});
