/** Every page of docs: its code is part of a file that is compiled and run, and its links lead somewhere. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';

// Compiled tests lie in dist/test/docs.
const PROJECT = resolve(import.meta.dirname, '../../..');
const DOCS = join(PROJECT, 'docs');
const PAGES = readdirSync(DOCS).filter((name) => name.endsWith('.md'));
/** Those that gallery.md leads to. */
const GALLERY = PAGES.filter((name) => name.startsWith('gallery-'));
/** Where examples come from. What is in the first of them runs in test/job/matrix-flights.test.ts or test/gallery, too. */
const SOURCES = ['fixtures/jobs', 'test/docs', 'test/testing'].flatMap((folder) =>
  readdirSync(join(PROJECT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({ path: `${folder}/${name}`, lines: linesOf(read(`${folder}/${name}`)) })),
);

function read(path: string): string {
  return readFileSync(join(PROJECT, path), 'utf8');
}

function linesOf(text: string): readonly string[] {
  return text.trimEnd().split('\n');
}

function page(name: string): string {
  return readFileSync(join(DOCS, name), 'utf8');
}

function blocks(text: string): readonly (readonly string[])[] {
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => linesOf(code));
}

/** Whether the lines stand there one after the other, however far they are indented. */
function holds(source: readonly string[], block: readonly string[]): boolean {
  const [first = ''] = block;
  return source.some((line, at) => {
    if (!line.endsWith(first.trimStart()) || line.trimStart() !== first.trimStart()) return false;
    const shift = indentOf(line) - indentOf(first);
    return block.every((text, i) => {
      const there = source[at + i] ?? '';
      return text === ''
        ? there === ''
        : there === ' '.repeat(Math.max(0, indentOf(text) + shift)) + text.trimStart();
    });
  });
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

for (const name of PAGES) {
  test(`${name}: each code block stands in a file that is compiled and run`, () => {
    for (const block of blocks(page(name))) {
      assert.ok(block.length > 0);
      const found = SOURCES.some(({ lines }) => holds(lines, block));
      assert.ok(found, `in no file of fixtures/jobs, test/docs or test/testing:\n${block.join('\n')}`);
    }
  });

  test(`${name}: links lead to files and headings that are there`, () => {
    for (const [, target = ''] of page(name).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [path = '', heading] = target.split('#');
      const file = path === '' ? join(DOCS, name) : resolve(dirname(join(DOCS, name)), path);
      assert.ok(existsSync(file), `${name} links to ${target}`);
      if (heading === undefined) continue;
      const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
        title
          .toLowerCase()
          .replace(/[^\w\s-]/g, '')
          .replace(/\s/g, '-'),
      );
      assert.ok(headings.includes(heading), `${name} links to ${target}`);
    }
  });
}

test('each page of a topic has a whole job among its examples', () => {
  const jobs = SOURCES.filter(({ path }) => path.startsWith('fixtures/jobs'));
  for (const name of ['event-time.md', 'timers.md', 'windows.md', 'joins.md', 'state.md']) {
    const whole = blocks(page(name)).filter((block) =>
      jobs.some(({ lines }) => lines.join('\n') === block.join('\n')),
    );
    assert.ok(whole.length > 0, name);
  }
});

test('the gallery has five pages, each with the whole of its pipeline', () => {
  assert.equal(GALLERY.length, 5);
  for (const name of GALLERY) {
    const path = `fixtures/jobs/gallery/${name.replace(/^gallery-(.*)\.md$/, '$1')}.ts`;
    const lines = SOURCES.find((source) => source.path === path)?.lines ?? [];
    assert.ok(
      blocks(page(name)).some((block) => block.join('\n') === lines.join('\n')),
      name,
    );
  }
});

test('the README leads to every page, and so does the index', () => {
  const readme = read('README.md');
  const own = PAGES.filter((name) => name !== 'README.md' && !GALLERY.includes(name));
  for (const name of own) assert.ok(readme.includes(`](docs/${name})`), name);
  for (const name of own) assert.ok(page('README.md').includes(`](${name})`), name);
  for (const name of GALLERY) assert.ok(page('gallery.md').includes(`](${name})`), name);
  assert.ok(readme.includes('](docs/README.md)'));
});
