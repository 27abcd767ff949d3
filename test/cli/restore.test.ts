/** Restoring from archives, and what is said before: the plan, the refusals. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { JobRow } from '../../src/job/status.js';
import { committedLines, countedLines, difference } from '../crash/harness.js';
import { tidemark } from './command.js';
import { countedTo, errorOf, JOBS, KEYS, Place, refused, type Saved } from './place.js';
import { takeArchives } from './taken.js';

describe('restore', () => {
  const place = new Place();
  let later: Saved;
  before(async () => {
    ({ later } = await takeArchives(place));
  });
  after(() => place.remove());

  describe('--dry-run', () => {
    it('prints the plan as a document and for people, and starts nothing', async () => {
      const args = ['restore', 'after.tar', '--dry-run', '-p', '4', '--name', 'other'];
      const plan = await place.json<Record<string, unknown>>(...args);
      assert.deepEqual(plan['parallelism'], { from: 1, to: 4 });
      assert.equal(plan['name'], 'other');
      assert.equal(plan['refusal'], null);
      assert.deepEqual(
        (plan['states'] as { name: string; action: string }[]).map(({ name, action }) => [name, action]),
        [
          ['count.seen', 'unproven'],
          ['numbers', 'kept'],
        ],
      );
      const { code, stdout } = await place.run(...args);
      assert.equal(code, 0);
      assert.match(stdout, /parallelism +1 → 4 of at most 128\n/);
      assert.match(stdout, /^\? +count\.seen +number +10 .* unproven: keys of type auto$/m);
      assert.match(stdout, /^= +numbers +splits +1 .* kept$/m);
      assert.match(stdout, /\n1 state kept, 1 unproven\n$/);
      assert.deepEqual(
        (await place.json<JobRow[]>('list', '--all')).filter(({ name }) => name === 'other'),
        [],
      );
    });

    it('with a definition needs no home and makes none', async () => {
      const elsewhere = await mkdtemp(join(place.cwd, 'elsewhere-'));
      const args = ['restore', later.path, '--dry-run', '--definition', join(JOBS, 'slow-count.ts')];
      const env = { TIDEMARK_HOME: join(elsewhere, 'home') };
      const { code, stderr } = await tidemark(args, { cwd: elsewhere, env });
      assert.equal(code, 0, stderr);
      assert.deepEqual(await readdir(elsewhere), []);
      const without = await tidemark(['restore', later.path, '--dry-run', '--json'], { cwd: elsewhere, env });
      assert.equal(without.code, 4);
      assert.match(errorOf(without).hint ?? '', /--definition/);
      assert.deepEqual(await readdir(elsewhere), []);
    });

    it('ends as the real run would: a target that is ahead is exit 5, but not with rewind, mute or a new target', async () => {
      const dry = (...more: string[]) => place.run('restore', 'before.tar', '--dry-run', ...more);
      const ahead = await dry();
      assert.equal(ahead.code, 5, ahead.stderr);
      assert.match(ahead.stdout, /out +live .* transactions?\n/);
      assert.match(ahead.stderr, /target of sink out is ahead.*--sinks rewind/s);
      assert.match((await dry('--sinks', 'rewind')).stdout, /set aside/);
      for (const more of [
        ['--sinks', 'rewind'],
        ['--sinks', 'mute'],
        ['--param', 'output=fresh'],
      ]) {
        const { code, stderr } = await dry(...more);
        assert.equal(code, 0, `${more.join(' ')}: ${stderr}`);
      }
      await refused(place, 5, 'TARGET_AHEAD', 'restore', 'before.tar', '-d');
    });

    it('a definition that does not take the state is exit 6, each state named; leaving them behind is a choice', async () => {
      const other = ['--definition', join(JOBS, 'throws-at.ts')];
      const renamed = (await readFile(join(JOBS, 'slow-count.ts'), 'utf8')).replaceAll('seen', 'total');
      await writeFile(place.path('renamed.ts'), renamed);
      const args = ['restore', 'after.tar', '--dry-run', '--definition', 'renamed.ts'];
      const refusal = await place.run(...args);
      assert.equal(refusal.code, 6, refusal.stderr);
      assert.match(refusal.stdout, /^! +count\.seen/m);
      assert.match(refusal.stdout, /^\+ +count\.total/m);
      assert.match(
        refusal.stderr,
        /count\.seen: .*add formerly: \['seen'\] to count\.total.*--allow-non-restored-state/s,
      );
      const allowed = await place.run(...args, '--allow-non-restored-state');
      assert.equal(allowed.code, 0, allowed.stderr);
      assert.match(allowed.stdout, /^- +count\.seen .*left behind/m);
      const dropped = await place.run(...args, '--drop', 'count.seen');
      assert.equal(dropped.code, 0, dropped.stderr);
      assert.match(dropped.stdout, /^- +count\.seen +number +10 .*left behind: as --drop says$/m);
      await refused(place, 4, 'STATE_NOT_FOUND', ...args, '--drop', 'count.total');
      const formerly = renamed.replace('state.number(0)', "state.number(0, { formerly: ['seen'] })");
      await writeFile(place.path('formerly.ts'), formerly);
      const moved = await place.run('restore', 'after.tar', '--dry-run', '--definition', 'formerly.ts');
      assert.equal(moved.code, 0, moved.stderr);
      assert.match(
        moved.stdout,
        /^~ +count\.seen .*moved: is count\.total now; unproven: keys of type auto$/m,
      );
      assert.equal((await place.run('restore', 'after.tar', '--dry-run', ...other)).code, 0);
    });

    it('warns when the name is held, and refuses what cannot be', async () => {
      const warned = await place.run('restore', 'kinds.tar', '--dry-run');
      assert.equal(warned.code, 0, warned.stderr);
      assert.match(warned.stderr, /warning: kinds \(\w+\) is suspended; .*--name/);
      await refused(place, 5, 'NAME_TAKEN', 'restore', 'kinds.tar', '-d');
      const over = ['--param', 'output=fresh'];
      await refused(place, 6, 'INCOMPATIBLE', 'restore', 'before.tar', '-p', '129', ...over);
      await refused(place, 6, 'INCOMPATIBLE', 'restore', 'before.tar', '--max-parallelism', '256', ...over);
      assert.match(await refused(place, 2, 'USAGE', 'restore', 'kinds'), /tidemark savepoint kinds/);
      await refused(place, 4, 'FILE_NOT_FOUND', 'restore', 'absent.tar');
      await refused(place, 4, 'FILE_NOT_FOUND', 'restore', 'before.tar', '--definition', 'absent.ts');
      const empty = await mkdtemp(join(place.cwd, 'empty-'));
      const none = await tidemark(['restore', 'absent.tar', '--home', 'h'], { cwd: empty });
      assert.equal(none.code, 4);
      assert.deepEqual(await readdir(empty), []);
    });
  });

  it('restore --sinks rewind sets the later lines aside: those of the snapshot and the rest are there once', async () => {
    const summary = await place.json<Parameters<typeof countedTo>[0]>('inspect', 'before.tar');
    const total = countedTo(summary) + 500;
    const ended = await place.json<JobRow>(
      'restore',
      'before.tar',
      '--sinks',
      'rewind',
      '--param',
      `count=${total}`,
    );
    assert.equal(ended.state, 'finished');
    assert.equal(difference(committedLines(place.path('counter')), countedLines(total, KEYS)), '');
  });
});
