/** A definition whose windows are others than those that a savepoint has open panes of is refused before anything runs. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, it } from 'node:test';
import { Place, refused } from './place.js';

/** Windows of a day, so that some are open. */
const definition = (assign: string, more = '') => `
  import { collect, defineJob, sequence, windows } from 'tidemark';
  export default defineJob('days', { params: {} }, (job) => {
    job
      .source('numbers', sequence({ rate: 1000 }))
      .assignTimestamps((n) => n, { outOfOrderness: 0 })
      .keyBy((n) => n % 3)
      .window('days', { assign: ${assign}, ${more} reduce: (a, b) => Math.max(a, b) })
      .sink('out', collect([]));
  });`;

const OTHER = /days\.panes: its windows were tumbling, size 86400000, .*are tumbling, size 172800000/;

const place = new Place();
before(async () => {
  await place.make();
  await writeFile(place.path('tumbling.ts'), definition("windows.tumbling('1d')"));
  await writeFile(place.path('two.ts'), definition("windows.tumbling('2d')"));
  await writeFile(place.path('later.ts'), definition("windows.tumbling('1d')", "lateness: '1h',"));
  for (const [backend, mode] of [
    ['memory', 'full'],
    ['disk', 'incremental'],
  ] as const) {
    const flags = ['--backend', backend, '--checkpoint-mode', mode, '--checkpoint-interval', '100ms'];
    await place.json('run', 'tumbling.ts', '--name', backend, ...flags, '-d');
    await place.json('wait', backend, '--until', 'checkpoint');
    await place.json('checkpoint', backend);
    await place.json('externalize', backend, '-o', `${backend}.checkpoint.tar`);
    await place.json('stop', backend, '-o', `${backend}.tar`);
  }
});
after(() => place.remove());

for (const archive of ['memory.tar', 'disk.tar', 'memory.checkpoint.tar', 'disk.checkpoint.tar']) {
  it(`refuses other windows by its plan, and takes the same with another lateness (${archive})`, async () => {
    const restore = ['restore', archive, '--name', 'again', '--dry-run', '--definition'];
    const said = await refused(place, 6, 'INCOMPATIBLE', ...restore, 'two.ts');
    assert.match(said, OTHER);
    const { code, stderr } = await place.run(...restore, 'later.ts');
    assert.equal(code, 0, stderr);
  });
}

for (const backend of ['memory', 'disk']) {
  it(`refuses them as mended code, and takes the same with another lateness (${backend})`, async () => {
    const name = `mended-${backend}`;
    await place.json('run', 'tumbling.ts', '--name', name, '--backend', backend, '-d');
    await place.json('checkpoint', name);
    await place.json('suspend', name);
    const resume = ['resume', name, '--definition'];
    const said = await refused(place, 6, 'INCOMPATIBLE', ...resume, 'two.ts');
    assert.match(said, OTHER);
    await place.json(...resume, 'later.ts');
    await place.json('cancel', name);
  });
}
