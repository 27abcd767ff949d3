import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { isDefinition } from '../../src/graph/definition.js';
import { describeGraph } from '../../src/graph/describe.js';
import { resolveParams } from '../../src/graph/param.js';
import { resolveSettings } from '../../src/graph/resolve-settings.js';

const NAMES = [
  'word-count',
  'flight-delays',
  'slow-count',
  'throws-at',
  'loops',
  'promises',
  'fills-heap',
  'exits',
  'prints',
];
// Compiled tests lie in dist/test/graph, compiled fixtures in dist/fixtures/jobs.
const jobs = resolve(import.meta.dirname, '../../fixtures/jobs');

for (const name of NAMES) {
  test(`${name} is a definition that builds with its defaults, under the name of its file`, async () => {
    const module: { readonly default?: unknown } = await import(pathToFileURL(join(jobs, `${name}.js`)).href);
    const definition = module.default;
    assert.ok(isDefinition(definition));
    assert.equal(definition.name, name);
    const graph = definition.build(resolveParams(definition.params, {}, {}));
    const settings = resolveSettings(definition.settings, {});
    const described = describeGraph(graph, settings);
    assert.equal(described.replayable, true);
    const sink = described.nodes.find((node) => node.kind === 'sink')?.sink;
    assert.deepEqual(
      { delivery: sink?.delivery, target: sink?.target },
      { delivery: 'exactly-once', target: `demo-output/${name}` },
    );
  });
}
