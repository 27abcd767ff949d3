import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const MODULE = JSON.stringify(new URL('../../src/base/failpoint.js', import.meta.url).href);
const SCRIPT = `
  import { writeSync } from 'node:fs';
  import { failpoint } from ${MODULE};
  for (let i = 0; i < 4; i++) { failpoint('other'); writeSync(1, String(i)); failpoint('here'); }
  writeSync(1, 'end');
`;

function run(setting: string | undefined): { signal: string | null; stdout: string } {
  const { PATH } = process.env;
  const env = setting === undefined ? {} : { TIDEMARK_FAILPOINT: setting };
  const { signal, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', SCRIPT], {
    env: { PATH, ...env },
    encoding: 'utf8',
  });
  return { signal, stdout };
}

test('unset, or set for another point, nothing happens', () => {
  assert.deepEqual(run(undefined), { signal: null, stdout: '0123end' });
  assert.deepEqual(run('elsewhere'), { signal: null, stdout: '0123end' });
});

test('the process ends at the point, and nothing after it runs', () => {
  assert.deepEqual(run('here'), { signal: 'SIGKILL', stdout: '0' });
  assert.deepEqual(run('here:3'), { signal: 'SIGKILL', stdout: '012' });
});
