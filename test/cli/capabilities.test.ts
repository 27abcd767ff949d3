/**
 * What each snapshot is for (the table in the README and in DESIGN 2), cell by cell, on both backends: real processes.
 * A restored job writes into a folder of its own, and its lines show that it has kept everything.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { CheckpointRow, JobRow, StatusDocument } from '../../src/job/status.js';
import { countedTo, Place, refused, type Saved } from './place.js';
import { assertRemembered, writeDefinitions } from './remembering.js';

const OTHER = { memory: 'disk', disk: 'memory' } as const;
/** Numbers that a restored job goes on for. */
const MORE = 200;

type Backend = keyof typeof OTHER;
type Layout = 'savepoint' | 'full' | 'incremental';
type Both = CheckpointRow & { readonly savepoint: Saved };

for (const backend of ['memory', 'disk'] as const) {
  describe(`on the ${backend} backend`, () => {
    const place = new Place();
    const job = 'remembering';
    let both: Both;
    before(async () => {
      await place.make();
      await writeDefinitions(place);
      both = await takeAll(place, backend);
    });
    after(() => place.remove());

    const changes = {
      'another parallelism': { args: ['-p', '3'], code: 'RESCALE_REFUSED' },
      'a changed graph': { args: ['--definition', 'more.ts'], code: 'GRAPH_CHANGED' },
      'a changed schema': { args: ['--definition', 'newer.ts'], code: 'GRAPH_CHANGED' },
      'another backend': { args: ['--backend', OTHER[backend]], code: 'BACKEND_CHANGED' },
    } as const;

    const { 'another parallelism': parallelism, 'another backend': other } = changes;
    /** What is refused to some is given to others, all at once: each start of a job costs a second. */
    const everything = [...parallelism.args, ...other.args, '--definition', 'both.ts'];

    for (const layout of ['savepoint', 'full', 'incremental'] as const) {
      it(`${layout}: forks, unchanged, while its job runs`, async () => {
        const row = await goesOn(place, layout, `${layout}-fork`);
        const { state } = await place.json<JobRow>('status', job);
        assert.equal(state, 'running');
        assert.equal(row.parallelism, 2);
        const { settings } = await place.json<StatusDocument>('status', row.id);
        const kept = settings as { backend: string; checkpoint: { mode: string } };
        assert.equal(kept.backend, layout === 'savepoint' ? 'memory' : backend);
        if (layout === 'incremental') assert.equal(kept.checkpoint.mode, 'incremental');
      });

      for (const [what, { args, code }] of Object.entries(changes)) {
        const name = `${layout}-${code.toLowerCase()}-${args[1]?.replace('.ts', '')}`;
        if (layout !== 'incremental') continue;
        it(`incremental: refuses ${what} before anything runs, and says the way out`, async () => {
          const restore = [
            'restore',
            'incremental.tar',
            '--name',
            name,
            '--param',
            `output=${name}`,
            ...args,
          ];
          const said = await refused(place, 6, code, ...restore, '-d');
          const file = place.path('incremental.tar');
          assert.ok(
            said.includes(`tidemark convert ${file} -o ${place.path('incremental')}.savepoint.tar`),
            said,
          );
          await refused(place, 6, code, ...restore, '--dry-run');
          assert.equal(existsSync(place.path(name)), false);
        });
      }

      const converted = layout === 'incremental';
      const what = 'another parallelism, a changed graph and a changed schema, on another backend';
      it(`${layout}: restores ${converted ? 'and converts on the way, ' : ''}with ${what}`, async () => {
        const convert = converted ? ['--convert'] : [];
        const row = await goesOn(place, layout, `${layout}-with-all`, ...convert, ...everything);
        const folder = readdirSync(jobFolder(place, row));
        assert.equal(folder.includes('origin.savepoint.tar'), false);
      });
    }

    it('nothing was made of what was refused', async () => {
      const names = (await place.json<JobRow[]>('list', '--all')).map(({ name }) => name);
      const made = ['fork', 'with-all'].flatMap((what) =>
        ['savepoint', 'full', 'incremental'].map((layout) => `${layout}-${what}`),
      );
      assert.deepEqual(names.sort(), [job, ...made].sort());
    });

    it('the savepoint, and the incremental checkpoint of its barrier once it is converted, are the same state', async () => {
      const converted = await place.json<Saved>('convert', 'incremental.tar', '-o', 'converted.tar');
      assert.equal(converted.digest, both.savepoint.digest);
      assert.equal(converted.checkpointId, both.id);
      const { equal } = await place.json<{ equal: boolean }>('diff', 'converted.tar', 'savepoint.tar');
      assert.equal(equal, true);
      await goesOn(place, 'converted', 'by-hand', '-p', '4');
    });

    it('a checkpoint is no file, takes no other parallelism, and no other graph where it is incremental', async () => {
      assert.match(await refused(place, 2, 'USAGE', 'restore', `${job}@${both.id}`), /externalize/);
      await place.json('suspend', job);
      await refused(place, 2, 'USAGE', 'resume', job, '-p', '3');
      assert.match(
        await refused(place, 6, 'GRAPH_CHANGED', 'resume', job, '--definition', 'more.ts'),
        new RegExp(
          `tidemark externalize ${job} -o ${job}.checkpoint.tar && ` +
            `tidemark check FILE --against ${job}.checkpoint.tar --convert && tidemark cancel ${job} && ` +
            `tidemark restore ${job}.checkpoint.tar --convert --definition FILE`,
        ),
      );
      await refused(place, 6, 'GRAPH_CHANGED', 'resume', job, '--definition', 'newer.ts');
    });

    it('a checkpoint recovers its own job, unchanged, also after kill -9', async () => {
      await place.json('resume', job);
      const { pid } = await place.json<StatusDocument>('status', job);
      assert.ok(pid !== null);
      await place.json('checkpoint', job);
      process.kill(pid, 'SIGKILL');
      await place.json('resume', job);
      const stopped = await place.json<Saved>('stop', job, '-o', 'end.tar');
      assertRemembered(place.path('original'), 0, await countedIn(place, stopped.path));
    });
  });
}

/** Runs the job, and takes savepoint.tar and incremental.tar at one barrier, and full.tar a little later. */
async function takeAll(place: Place, backend: Backend): Promise<Both> {
  const job = 'remembering';
  const flags = ['--backend', backend, '--checkpoint-mode', 'incremental', '-p', '2', '--retain', '1000'];
  const params = ['--param', 'output=original', '--param', 'rate=1000'];
  // None by themselves: a job that checkpoints all the time would slow all that is tested beside it.
  await place.json('run', 'same.ts', '-d', ...flags, '--checkpoint-interval', '0', ...params);
  // Several, so that a chain of them is needed.
  for (let taken = 0; taken < 4; taken++) await place.json('checkpoint', job);
  const both = await place.json<Both>('checkpoint', job, '--with-savepoint', 'savepoint.tar');
  assert.equal(both.mode, 'incremental');
  await place.json<Saved>('externalize', `${job}@${both.id}`, '-o', 'incremental.tar');
  const full = await place.json<CheckpointRow>('checkpoint', job, '--full');
  assert.equal(full.mode, 'full');
  const packed = await place.json<Saved>('externalize', `${job}@${full.id}`, '-o', 'full.tar');
  assert.deepEqual([packed.kind, packed.layout, packed.checkpointId], ['checkpoint', 'native', full.id]);
  assert.equal(packed.bytes, statSync(packed.path).size);
  return both;
}

/** Restores under another name and into another folder, and holds what the new job commits until it ends. */
async function goesOn(
  place: Place,
  file: Layout | 'converted',
  name: string,
  ...args: string[]
): Promise<JobRow> {
  const done = await countedIn(place, `${file}.tar`);
  const params = { output: name, count: done + MORE, rate: 8_000 };
  const given = Object.entries(params).flatMap(([param, value]) => ['--param', `${param}=${value}`]);
  const row = await place.json<JobRow>(
    'restore',
    `${file}.tar`,
    '--name',
    name,
    '--checkpoint-interval',
    '20ms',
    ...given,
    ...args,
  );
  assert.equal(row.state, 'finished');
  assertRemembered(place.path(name), done, done + MORE);
  return row;
}

const counted = new Map<string, number>();

/** Numbers that an archive has seen. */
async function countedIn(place: Place, name: string): Promise<number> {
  const path = resolve(place.cwd, name);
  const known = counted.get(path);
  if (known !== undefined) return known;
  const found = countedTo(await place.json<Parameters<typeof countedTo>[0]>('inspect', path));
  counted.set(path, found);
  return found;
}

function jobFolder(place: Place, { id }: JobRow): string {
  return place.path(`.tidemark/jobs/${id}`);
}
