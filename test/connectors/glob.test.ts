/** Which paths are patterns: what is told without the library is what the library says. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isDynamicPattern } from 'tinyglobby';
import { parsePattern } from '../../src/connectors/files/glob.js';
import fc from '../helpers/property.js';

const anyText = fc.string({ unit: fc.oneof(fc.constantFrom(...'*?[]{}()!+@|\\/.,^-~#$ ab'), fc.string()) });

describe('a path', () => {
  test('is a pattern when the library says so', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        assert.equal(parsePattern(text, '/cwd').dynamic, isDynamicPattern(text));
      }),
      { numRuns: 2000 },
    );
  });
});
