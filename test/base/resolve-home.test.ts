import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveHome } from '../../src/base/resolve-home.js';

const resolve = (homes: string[], given: { flag?: string; env?: string; cwd?: string }) =>
  resolveHome({
    flag: given.flag,
    env: given.env,
    cwd: given.cwd ?? '/a/b/c',
    isHome: (folder) => homes.includes(folder),
  });

test('the flag goes before the environment, and both before what lies about', () => {
  const homes = ['/a/b/.tidemark'];
  assert.equal(resolve(homes, { flag: '/x', env: '/y' }), '/x');
  assert.equal(resolve(homes, { flag: '../x', env: '/y' }), '/a/b/x');
  assert.equal(resolve(homes, { env: '/y' }), '/y');
  assert.equal(resolve(homes, { env: 'y' }), '/a/b/c/y');
  assert.equal(resolve(homes, { env: '' }), '/a/b/.tidemark');
});

test('the nearest home upwards is taken, the root included, else one is to be made here', () => {
  assert.equal(resolve(['/.tidemark', '/a/.tidemark', '/a/b/c/.tidemark'], {}), '/a/b/c/.tidemark');
  assert.equal(resolve(['/.tidemark', '/a/.tidemark'], {}), '/a/.tidemark');
  assert.equal(resolve(['/.tidemark'], {}), '/.tidemark');
  assert.equal(resolve(['/a/b/d/.tidemark'], {}), '/a/b/c/.tidemark');
  assert.equal(resolve([], { cwd: '/' }), '/.tidemark');
});
