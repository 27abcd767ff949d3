/** `tidemark check`: what it says of a new version, while the old one runs, and that restore then does just that. */
import assert from 'node:assert/strict';
import { watch } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { CheckedValues } from '../../src/job/check-values.js';
import type { StatePlan } from '../../src/restore/plan-states.js';
import { Running } from './command.js';
import { errorOf, Place } from './place.js';

/** Counts by key. What a version has of its own: its state, and what it does with each number. */
const VERSION = (state: string, set: string, more = '') => `
    import { writeFileSync } from 'node:fs';
    import { defineJob, key, param, schema, sequence, state, fileSink, type } from 'tidemark';
    const shape = (validate) => ({ '~standard': { version: 1, vendor: 'test', validate } });
    const number = shape((value) => typeof value === 'number' ? { value } : { issues: [{ message: 'no number' }] });
    const small = (most) => shape((value) =>
      value.n <= most ? { value } : { issues: [{ message: 'above ' + most, path: ['n'] }] });
    const cents = shape((value) => typeof value?.cents === 'bigint' ? { value } : { issues: [{ message: 'no cents' }] });
    export default defineJob('counts', { params: { count: param.number(1000000), output: param.string('out') } }, (job, p) => {
      job
        .source('numbers', sequence({ count: p.count, rate: 8000 }))
        .keyBy((n) => 'k' + (n % 4000), key.string)
        .process('count', {
          state: { seen: state.number(0), ${state} },
          emits: type(),
          onElement(n, ctx) {
            ctx.state.seen.add(1);
            ${set}
            ctx.emit([ctx.key, ctx.state.seen.get()]);
          },
        })${more}
        .sink('out', fileSink(p.output));
    });`;

const OLD = VERSION(
  'total: state.value(schema(number)), last: state.value()',
  'ctx.state.total.set(n); ctx.state.last.set({ n });',
);
const STEP =
  'schema(number).next(cents, (v) => { if (v % 4000 === LATE) throw new Error("too late"); return { cents: BigInt(v) }; })';
const version = (state: string) => VERSION(state, '');

const VERSIONS = {
  same: OLD,
  migrated: version(`total: state.value(${STEP.replace('LATE', '-1')}), last: state.value()`),
  late: version(`total: state.value(${STEP.replace('LATE', '3999')}), last: state.value()`),
  narrow: version('total: state.value(schema(number)), last: state.value(schema(small(2000)))'),
  renamed: version('sum: state.value(schema(number)), last: state.value()'),
  // Leaves a file to say that it is there, and stays.
  hangs: version(
    `total: state.value(${STEP.replace('if (', 'writeFileSync(process.env.STUCK, ""); for (;;); if (').replace('LATE', '0')})`,
  ),
  unbuilt: version("last: (() => { throw new Error('in a bad mood'); })()"),
  throws: VERSION(
    'total: state.value(schema(number)), last: state.value()',
    '',
    '.map(() => { throw new Error("at once"); })',
  ),
} as const;

interface Checked {
  readonly ok: boolean;
  readonly states: readonly StatePlan[];
  readonly values: CheckedValues;
  readonly trial: {
    readonly errors: readonly { readonly code: string; readonly operator?: string }[];
  } | null;
  readonly refusal: { readonly code: string } | null;
}

describe('check', () => {
  const place = new Place();
  before(async () => {
    await place.make();
    for (const [name, text] of Object.entries(VERSIONS)) await writeFile(place.path(`${name}.ts`), text);
    await place.json('run', 'same.ts', '-d', '--checkpoint-interval', '250ms');
    await place.json('wait', 'counts', '--until', 'checkpoint');
    // Every key has come, and the last checkpoint knows.
    while ((await place.json<{ totals: { entries: number } }>('inspect', 'counts')).totals.entries < 12_000);
    await place.json('savepoint', 'counts', '-o', 'counts.tar', '--reason', 'to be checked');
  });
  after(() => place.remove());

  const check = async (name: string, code: number, ...more: string[]) => {
    const found = await place.run('check', `${name}.ts`, '--against', 'counts.tar', '--json', ...more);
    assert.equal(found.code, code, found.stderr);
    const document: Checked = JSON.parse(found.stdout);
    assert.equal(document.ok, code === 0);
    const actions = Object.fromEntries(document.states.map((state) => [state.name, state.action]));
    return { document, actions, stderr: found.stderr };
  };

  it('tells kept from unproven, and what is strict', async () => {
    const { document, actions } = await check('same', 0);
    const state = { 'count.seen': 'kept', 'count.total': 'kept', 'count.last': 'unproven', numbers: 'kept' };
    assert.deepEqual(actions, state);
    assert.ok(document.values.looked >= 3 * 1024, `${document.values.looked} looked at`);
    const strict = await place.run('check', 'same.ts', '--against', 'counts.tar', '--strict');
    assert.equal(strict.code, 6);
    assert.match(strict.stdout, /^\? +count\.last/m);
    assert.match(strict.stderr, /count\.last: no schema/);
  });

  it('migrates every value when all are asked for, and a restore need not look again', async () => {
    const { document, actions } = await check('migrated', 0, '--all');
    assert.equal(actions['count.total'], 'migrated');
    assert.equal(document.values.looked, document.values.entries);
    assert.ok(document.values.entries >= 12_000);
    const again = ['restore', 'counts.tar', '--definition', 'migrated.ts', '--sinks', 'mute', '--dry-run'];
    const { states } = (await place.json<Checked>(...again)).values;
    assert.deepEqual(
      states.map(({ name }) => name),
      ['numbers'],
    );
  });

  it('finds the one value that a step throws at, and restore refuses it with the same words', async () => {
    const { document, stderr } = await check('late', 6, '--all', '--sinks', 'mute');
    const state = document.values.states.find(({ refused }) => refused > 0);
    assert.deepEqual([state?.name, state?.refused, state?.shown[0]?.key], ['count.total', 1, '"k3999"']);
    assert.match(state?.shown[0]?.reason ?? '', /v1→v2.*too late/);
    const restore = await place.run(
      'restore',
      'counts.tar',
      '--definition',
      'late.ts',
      '--name',
      'b',
      '--sinks',
      'mute',
      '--json',
    );
    assert.equal(restore.code, 6);
    assert.deepEqual(errorOf(restore), JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? ''));
    assert.deepEqual((await place.json<unknown[]>('list', '--all')).length, 1);
  });

  it('says the path within a value that a schema refuses, for a script and for people', async () => {
    const { document, actions } = await check('narrow', 6);
    assert.equal(actions['count.last'], 'impossible');
    const [shown] = document.values.states.find(({ refused }) => refused > 0)?.shown ?? [];
    assert.deepEqual([shown?.path, shown?.reason], ['.n', 'above 2000']);
    const { stdout, stderr } = await place.run('check', 'narrow.ts', '--against', 'counts.tar');
    assert.match(stdout, /^! +count\.last .* entries looked at are not taken/m);
    assert.match(stdout, /^count\.last +"k\d+" +above 2000 at \.n$/m);
    assert.match(stderr, /error: .*\n +count\.last: /);
  });

  it('names the rename it looks like, and what is dropped instead', async () => {
    const { document } = await check('renamed', 6);
    const total = document.states.find(({ name }) => name === 'count.total');
    assert.match(`${total?.message} ${total?.advice}`, /formerly: \['total'\]/);
    const dropped = await check('renamed', 0, '--drop', 'count.total', '--sinks', 'mute');
    assert.deepEqual(dropped.actions['count.total'], 'dropped');
    const unknown = await place.run(
      'check',
      'renamed.ts',
      '--against',
      'counts.tar',
      '--drop',
      'count.nothing',
      '--json',
    );
    assert.deepEqual([unknown.code, errorOf(unknown).code], [4, 'STATE_NOT_FOUND']);
  });

  it('looks at a running job as if it were stopped, and leaves it alone', async () => {
    const found = await place.json<Checked>('check', 'migrated.ts', '--against', 'counts', '--all');
    assert.equal(found.ok, true);
    assert.equal(found.values.looked, found.values.entries);
    const pins = await place.run('pin');
    assert.doesNotMatch(pins.stdout, /check/);
    assert.equal((await place.json<{ state: string }>('status', 'counts')).state, 'running');
  });

  it('tries the new code out, with nothing left of it', async () => {
    const before = await readdir(place.cwd);
    const good = await check('migrated', 0, '--trial', '100');
    assert.deepEqual(good.document.trial?.errors, []);
    const bad = await check('throws', 6, '--trial', '100');
    assert.equal(bad.document.trial?.errors[0]?.code, 'USER_CODE');
    assert.deepEqual(await readdir(place.cwd), before);
    assert.equal((await readFile(place.path('counts.tar'))).length > 0, true);
  });

  it('given up with Ctrl-C it leaves nothing, whatever the new code does; no more does a dry run', async () => {
    const folder = place.path('given-up');
    await mkdir(folder);
    const signs = place.path('signs');
    await mkdir(signs);
    for (const args of [
      ['check', 'hangs.ts', '--against', 'counts.tar', '--drop', 'count.last'],
      ['restore', 'counts.tar', '--definition', 'hangs.ts', '--dry-run', '--drop', 'count.last'],
    ]) {
      const sign = join(signs, args[0] ?? '');
      const stuck = new Promise<void>((resolve) => {
        const watcher = watch(signs, () => {
          watcher.close();
          resolve();
        });
      });
      const running = new Running(args, { cwd: place.cwd, env: { TMPDIR: folder, STUCK: sign } });
      await stuck;
      running.child.kill('SIGINT');
      const { code, stderr } = await running.ended;
      assert.equal(code, 130, stderr);
      assert.match(stderr, /given up; nothing is left of it/);
      assert.deepEqual(await readdir(folder), []);
    }
  });

  it('is what a resume with mended code begins with, too', async () => {
    await place.json('suspend', 'counts');
    const late = await place.run('resume', 'counts', '--definition', 'late.ts', '--json');
    assert.equal(late.code, 6, late.stderr);
    assert.match(errorOf(late).message, /count\.total: .*"k3999".*too late/s);
    assert.equal((await place.json<{ state: string }>('status', 'counts')).state, 'suspended');
    await place.json('resume', 'counts', '--definition', 'migrated.ts');
    await place.json('cancel', 'counts');
  });

  it('names the line where the new code does not come to a graph', async () => {
    const { code, stderr } = await place.run('check', 'unbuilt.ts', '--against', 'counts.tar');
    assert.equal(code, 2, stderr);
    assert.match(stderr, /while building its dataflow at unbuilt\.ts:\d+:\d+: Error: in a bad mood/);
  });

  it('says what is missing on its command line', async () => {
    for (const [args, hint] of [
      [['check', 'same.ts'], /--against/],
      [['check', 'same.ts', '--against', 'counts.tar', '--trial', 'x'], /--trial/],
    ] as const) {
      const { code, stderr } = await place.run(...args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, hint);
    }
  });
});
