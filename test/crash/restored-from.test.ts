/** What a restored job needs of its archive, and of the home it is restored in. */
import assert from 'node:assert/strict';
import { copyFileSync, renameSync, rmSync } from 'node:fs';
import { after, test } from 'node:test';
import { EXIT } from '../../src/base/errors.js';
import { committedLines, countedLines, difference, errorOf, eventually, Sandbox } from './harness.js';

const COUNT = 6000;
const KEYS = 13;

const sandbox = new Sandbox();
const elsewhere = new Sandbox();
after(() => {
  sandbox.remove();
  elsewhere.remove();
});

const archive = sandbox.path('state.tar');
const output = sandbox.path('out');
const PARAMS = [`count=${COUNT}`, 'rate=2000', `keys=${KEYS}`, `output=${output}`].flatMap((one) => [
  '--param',
  one,
]);

test('without a checkpoint of its own a restored job starts from its archive again, which must be there', async () => {
  sandbox.json(['run', 'fixtures/jobs/slow-count.ts', '-d', ...PARAMS]);
  await eventually('it moves', () => sandbox.status('slow-count').elements > 500);
  sandbox.json(['stop', 'slow-count', '-o', archive]);
  const running = sandbox.start(['restore', archive, '--checkpoint-interval', '0', '-p', '2']);
  await running.says(/runs from/);
  running.process.kill('SIGKILL');
  await running.finished;
  assert.equal(sandbox.status('slow-count').state, 'lost');

  renameSync(archive, `${archive}.away`);
  const gone = sandbox.run(['resume', 'slow-count', '--foreground', '--json']);
  assert.equal(gone.code, EXIT.notFound, gone.stderr);
  assert.equal(errorOf(gone).code, 'SNAPSHOT_GONE');

  renameSync(`${archive}.away`, archive);
  const last = sandbox.run(['resume', 'slow-count', '--foreground']);
  assert.equal(last.code, 0, last.stderr);
  assert.equal(difference(committedLines(output), countedLines(COUNT, KEYS)), '');
});

test('a home that does not have the code says where to find it', () => {
  const refused = elsewhere.run(['restore', archive, '--json']);
  assert.equal(refused.code, EXIT.notFound, refused.stderr);
  const { code, hint } = errorOf(refused);
  assert.equal(code, 'BUNDLE_NOT_FOUND');
  assert.match(hint ?? '', /--definition .*slow-count\.ts/);
  const fresh = ['--param', `output=${elsewhere.path('out')}`, '--param', 'rate=50000'];
  const given = elsewhere.run(['restore', archive, '--definition', 'fixtures/jobs/slow-count.ts', ...fresh]);
  assert.equal(given.code, 0, given.stderr);
});

test('a restored job whose archive is gone can be canceled: nothing in it is left to commit', async () => {
  const copy = sandbox.path('copy.tar');
  copyFileSync(archive, copy);
  const fresh = [
    '--name',
    'orphan',
    '--param',
    `output=${sandbox.path('orphan-out')}`,
    '--param',
    'rate=100',
  ];
  const running = sandbox.start(['restore', copy, '--checkpoint-interval', '0', ...fresh]);
  await running.says(/runs from/);
  running.process.kill('SIGKILL');
  await running.finished;
  rmSync(copy);
  const { code, stderr } = sandbox.run(['cancel', 'orphan']);
  assert.equal(code, 0, stderr);
  assert.equal(sandbox.status('orphan').state, 'canceled');
});
