/** Jobs that go on from snapshots which their target is ahead of: what consumers see, under failures at every point. */
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { describe, test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { fileSink } from '../../src/connectors/file-sink.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import fc from '../helpers/property.js';
import { type Saved, SinkRun, sinkContext, TARGET } from './sink-run.js';

const LEDGER = `${TARGET}/.tidemark/ledger-out.ndjson`;

/** What a consumer sees, or has taken: file names and lines. */
const shown = (disk: FaultyDisk) => {
  const paths = disk
    .paths()
    .filter((path) => /^(taken-)?[a-z]+-/.test(basename(path)) && !path.includes('/.'));
  const lines = paths.flatMap((path) => String(disk.peek(path)).trimEnd().split('\n').map(Number));
  return { names: paths.map((path) => basename(path)), lines: lines.sort((a, b) => a - b) };
};
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);
const isAhead = (error: unknown) => error instanceof TidemarkError && error.code === 'TARGET_AHEAD';

async function more(run: SinkRun, count: number): Promise<void> {
  await run.write(count);
  await run.checkpoint(true);
}

/** job0 with snapshots after each of three checkpoints, and its target as the third left it. */
async function history() {
  const disk = new FaultyDisk();
  const job0 = new SinkRun(disk);
  await job0.start();
  const saved: Saved[] = [];
  for (const count of [4, 3, 5]) {
    await more(job0, count);
    saved.push(job0.saved());
  }
  await job0.close();
  const [first, second, third] = saved;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  return { disk, job0, first, second, third };
}

/** From a snapshot to the end of the input. */
async function finish(disk: FaultyDisk, job: string, from: Saved): Promise<SinkRun> {
  const run = new SinkRun(disk, job, from);
  await run.start();
  await more(run, 2);
  await more(run, 3);
  await run.close();
  return run;
}

describe('a job restored from a snapshot', () => {
  test('is ahead of nothing where its target is as the snapshot left it', async () => {
    const { disk, third } = await history();
    const before = shown(disk);
    const run = new SinkRun(disk, 'job1', third);
    assert.deepEqual(await run.ahead(), []);
    await run.start();
    assert.deepEqual(shown(disk), before);
    await more(run, 1);
    assert.deepEqual(shown(disk).lines, upTo(run.snapshot.position));
  });

  test('is told exactly what is ahead, and asking changes nothing', async () => {
    const { disk, first } = await history();
    const paths = disk.paths();
    const ledger = disk.peek(LEDGER);
    const ids = await new SinkRun(disk, 'job1', first).ahead();
    const named = ids.map(({ job, sink, checkpoint, subtask }) => `${job} ${sink} ${checkpoint}/${subtask}`);
    assert.deepEqual(named.sort(), ['job0 out 2/0', 'job0 out 2/1', 'job0 out 3/0', 'job0 out 3/1']);
    assert.deepEqual(disk.paths(), paths);
    assert.deepEqual(disk.peek(LEDGER), ledger);
    assert.deepEqual(await new SinkRun(new FaultyDisk(), 'job1', first).ahead(), []);
  });

  test('sets later parts aside, and every line is there once', async () => {
    const { disk, first } = await history();
    const later = shown(disk).names.filter((name) => /^part-job0-.*-0000000[23]\.jsonl$/.test(name));
    assert.equal(later.length, 4);
    const run = await finish(disk, 'job1', first);
    assert.deepEqual(shown(disk).lines, upTo(run.snapshot.position));
    const hidden = disk.paths().map((path) => basename(path));
    for (const name of later) assert.ok(hidden.includes(`.aside-${name}`), name);
    assert.deepEqual(run.log, []);
  });

  test('sets aside what sibling forks wrote, and their forks, and nothing twice', async () => {
    const { disk, first, second } = await history();
    const fork = await finish(disk, 'fork', second);
    await finish(disk, 'forkOfFork', fork.saved());
    const run = new SinkRun(disk, 'job1', first);
    const jobs = new Set((await run.ahead()).map(({ job }) => job));
    assert.deepEqual([...jobs].sort(), ['fork', 'forkOfFork', 'job0']);
    await run.start();
    await more(run, 9);
    assert.deepEqual(shown(disk).lines, upTo(run.snapshot.position));
    assert.deepEqual(await new SinkRun(disk, 'job2', first).ahead().then((ids) => ids.length), 2);
  });

  test('leaves alone what an unrelated job has there', async () => {
    const { disk, first } = await history();
    const stranger = new SinkRun(disk, 'other');
    await stranger.start();
    await more(stranger, 3);
    const pending = stranger.hidden();
    assert.equal(pending.length, 1);
    const parts = shown(disk).names.filter((name) => name.includes('-other-'));
    await finish(disk, 'job1', first);
    for (const name of parts) assert.ok(shown(disk).names.includes(name));
    for (const name of pending) assert.ok(disk.peek(`${TARGET}/${name}`) !== undefined);
  });

  test('is refused, with or without a rewind, where an earlier rewind hid what it includes', async () => {
    const { disk, first, third } = await history();
    await finish(disk, 'job1', first);
    const before = shown(disk);
    const run = new SinkRun(disk, 'job2', third);
    await assert.rejects(run.ahead(), isAhead);
    await assert.rejects(run.ahead(), /4 transactions, up to checkpoint 3 of job job0/);
    await assert.rejects(run.start(), isAhead);
    const committer = await fileSink<number>('out').committer?.(sinkContext(disk, { attempt: 9 }));
    await assert.rejects(async () => committer?.rewind?.(third.lineage), isAhead);
    assert.deepEqual(shown(disk), before);
  });

  test('skips and logs parts that a consumer has moved away, and does not count them again', async () => {
    const { disk, first } = await history();
    const taken = 'part-job0-0001-out-001-00000003.jsonl';
    await disk.remove(`${TARGET}/${taken}`);
    const run = await finish(disk, 'job1', first);
    assert.equal(run.log.length, 1);
    assert.match(
      run.log[0] ?? '',
      /^sink out: the files of 1 transaction were moved out of .*\/out before a rewind.*: part-job0-/,
    );
    assert.ok(run.log[0]?.endsWith(taken.replace('.jsonl', '*')));
    assert.deepEqual(shown(disk).lines, upTo(run.snapshot.position));
    assert.equal((await new SinkRun(disk, 'job2', first).ahead()).length, 4);
    const again = await finish(disk, 'job2', first);
    assert.deepEqual(again.log, []);
  });

  test('logs a part that is taken at the moment it is set aside', async () => {
    const { disk, first } = await history();
    const rename = disk.rename.bind(disk);
    const racing = 'part-job0-0001-out-000-00000002.jsonl';
    disk.rename = async (from, to) => {
      if (basename(from) === racing) await disk.remove(from);
      await rename(from, to);
    };
    const run = await finish(disk, 'job1', first);
    assert.equal(run.log.length, 1);
    assert.ok(run.log[0]?.endsWith(racing));
    assert.deepEqual(shown(disk).lines, upTo(run.snapshot.position));
  });
});

describe('what was set aside', () => {
  test('stays so when its job is told to commit it again', async () => {
    const { disk, job0, first } = await history();
    const run = await finish(disk, 'job1', first);
    await job0.start();
    await job0.commitAgain();
    await job0.close();
    assert.deepEqual(shown(disk).lines, upTo(run.snapshot.position));
  });

  test('and where jobs began is known after the ledger was folded many times', async () => {
    const { disk, first, second } = await history();
    const fork = await finish(disk, 'fork', second);
    await finish(disk, 'job1', first);
    const stranger = new SinkRun(disk, 'other');
    for (let i = 0; i < 5; i++) {
      await stranger.start();
      await more(stranger, 1);
      await stranger.close();
    }
    const ledger = String(disk.peek(LEDGER));
    assert.doesNotMatch(ledger, /"parts"/);
    for (const job of ['fork', 'job1']) assert.match(ledger, new RegExp(`"begun":\\[\\{"job":"${job}"`));
    const jobs = (await new SinkRun(disk, 'job2', first).ahead()).map(({ job }) => job);
    assert.deepEqual([...new Set(jobs)], ['job1']);
    await assert.rejects(new SinkRun(disk, 'job2', fork.saved()).ahead(), isAhead);
  });

  /** job0 with another uid and prefix: checkpoints 6 and 7, and 8, during whose commit its process ended. */
  async function oldUid(lastMoment: (disk: FaultyDisk) => () => void) {
    const disk = new FaultyDisk();
    const open = async (attempt: number) =>
      fileSink<number>('out', { prefix: 'old-out' }).committer?.(sinkContext(disk, { sink: 'old', attempt }));
    const committer = await open(1);
    await committer?.recover([]);
    const partOf = (checkpoint: number) => `old-out-job0-0001-old-000-0000000${checkpoint}.jsonl`;
    const commit = async (checkpoint: number) => {
      const file = { pending: `.pending-${checkpoint}`, part: partOf(checkpoint), bytes: 2, lines: 1 };
      disk.plant(`${TARGET}/${file.pending}`, Buffer.from(`${checkpoint}\n`));
      const id = { job: 'job0', attempt: 1, sink: 'old', subtask: 0, checkpoint };
      await committer?.commit([{ id, value: { files: [file] } }]);
    };
    await commit(6);
    await commit(7);
    const heal = lastMoment(disk);
    await assert.rejects(commit(8));
    heal();
    assert.deepEqual(shown(disk).names, [6, 7].map(partOf));
    const from = (checkpoint: number) => ({
      position: 0,
      checkpoint,
      lineage: [{ job: 'job0', checkpoint }],
    });
    return { disk, partOf, from, reopen: async () => (await open(2))?.recover([]) };
  }

  test('is found under another uid and with another prefix, and is not shown by the old uid later', async () => {
    const { disk, partOf, from, reopen } = await oldUid((disk) => {
      const { rename } = disk;
      disk.rename = async () => assert.fail('gone');
      return () => {
        disk.rename = rename;
      };
    });
    const run = new SinkRun(disk, 'job1', from(6));
    assert.equal((await run.ahead()).length, 2);
    await run.start();
    await run.close();
    assert.deepEqual(shown(disk).names, [partOf(6)]);
    await reopen();
    assert.deepEqual(shown(disk).names, [partOf(6)]);
    for (const checkpoint of [7, 8]) {
      assert.equal(String(disk.peek(`${TARGET}/.aside-${partOf(checkpoint)}`)), `${checkpoint}\n`);
    }
  });

  test('is known for good once it was acted upon, also what another uid’s ledger says', async () => {
    // Appended, and the process ends before it is synced.
    const { disk, partOf, from } = await oldUid((disk) => {
      disk.failAt(4, 'EIO');
      return () => disk.heal();
    });
    assert.equal(disk.operations.at(-1), `sync ${TARGET}/.tidemark/ledger-old.ndjson`);
    const run = new SinkRun(disk, 'job1', from(8));
    await run.start();
    await run.close();
    disk.crash();
    assert.deepEqual(shown(disk).names, [6, 7, 8].map(partOf));
    assert.equal((await new SinkRun(disk, 'job2', from(6)).ahead()).length, 2);
  });
});

describe('a rewind that fails', () => {
  /** What starting a job from the first snapshot does to the disk, operation by operation. */
  async function operations(): Promise<string[]> {
    const { disk, first } = await history();
    const before = disk.operations.length;
    await new SinkRun(disk, 'job1', first).start();
    return disk.operations.slice(before);
  }

  /** The target after `fault`, with what was not synced lost or not. */
  async function interrupted(fault: (disk: FaultyDisk) => void, crashes: boolean) {
    const all = await history();
    const run = new SinkRun(all.disk, 'job1', all.first);
    fault(all.disk);
    await run.start().then(
      () => undefined,
      (error: unknown) => assert.ok(!isAhead(error), String(error)),
    );
    if (crashes) all.disk.crash();
    else all.disk.heal();
    return { ...all, run };
  }

  const faults = async (): Promise<[string, (disk: FaultyDisk) => void][]> => {
    const done = await operations();
    const appends = done.filter((each) => each.startsWith('append')).length;
    assert.ok(done.some((each) => each.includes('/.aside-part-job0')) && appends >= 3);
    return [
      ...done.flatMap((operation, i): [string, (disk: FaultyDisk) => void][] => [
        [`${i} ${operation} fails`, (disk) => disk.failAt(i + 1, 'EIO')],
        [`${i} ${operation} and all after fail`, (disk) => disk.failFrom(i + 1, 'ENOSPC')],
      ]),
      ...Array.from({ length: appends }, (_, i): [string, (disk: FaultyDisk) => void] => [
        `append ${i} is torn`,
        (disk) => disk.tearAppend(i + 1),
      ]),
    ];
  };

  for (const crashes of [false, true]) {
    test(`at any operation${crashes ? ', power lost' : ''} is finished by the next attempt`, async () => {
      const whole = await history();
      await finish(whole.disk, 'job1', whole.first);
      for (const [what, fault] of await faults()) {
        const { disk, run } = await interrupted(fault, crashes);
        await run.start();
        await more(run, 2);
        await more(run, 3);
        await run.close();
        const { lines, names } = shown(disk);
        assert.deepEqual(lines, shown(whole.disk).lines, what);
        const attempts = (name: string) => name.replace(/^(part-job1)-\d+/, '$1');
        assert.deepEqual(names.map(attempts), shown(whole.disk).names.map(attempts), what);
        assert.deepEqual(run.log, [], what);
      }
    });

    test(`at any operation${crashes ? ', power lost' : ''} hides nothing from a job that wants it`, async () => {
      const outcomes = new Set<string>();
      for (const [what, fault] of await faults()) {
        const { disk, third } = await interrupted(fault, crashes);
        const newest = new SinkRun(disk, 'job2', third);
        const refused = await newest.start().then(() => false, isAhead);
        outcomes.add(String(refused));
        if (refused) continue;
        await more(newest, 2);
        assert.deepEqual(shown(disk).lines, upTo(newest.snapshot.position), what);
      }
      assert.deepEqual([...outcomes].sort(), ['false', 'true']);
    });

    test(`at any operation${crashes ? ', power lost' : ''} is finished by an unrelated job, too`, async () => {
      for (const [what, fault] of await faults()) {
        const { disk, first } = await interrupted(fault, crashes);
        const stranger = new SinkRun(disk, 'other');
        await stranger.start();
        await stranger.close();
        const run = await finish(disk, 'job2', first);
        assert.deepEqual(shown(disk).lines, upTo(run.snapshot.position), what);
      }
    });
  }
});

describe('many jobs from many snapshots', () => {
  interface Made extends Saved {
    /** The parts that the state includes. */
    readonly parts: ReadonlySet<string>;
  }
  const step = fc.record({
    /** Which of the snapshots so far to go on from; one more than there are is a job of its own. */
    from: fc.nat(6),
    writes: fc.array(fc.nat(4), { maxLength: 3 }),
    fault: fc.option(fc.record({ at: fc.nat(60), crashes: fc.boolean(), torn: fc.boolean() }), { freq: 3 }),
  });

  async function startedUnder(run: SinkRun, fault: { at: number; crashes: boolean; torn: boolean } | null) {
    if (fault?.torn === true) run.disk.tearAppend((fault.at % 4) + 1);
    else if (fault !== null) run.disk.failFrom(fault.at + 1, 'EIO');
    try {
      await run.start();
    } catch (error) {
      if (isAhead(error)) throw error;
    }
    if (fault?.crashes === true) run.disk.crash();
    else run.disk.heal();
    if (fault !== null) await run.start();
  }

  test('show what the last one’s state includes, and what is unrelated to it', async () => {
    const counts = { refused: 0, rewound: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        const disk = new FaultyDisk();
        const snapshots: Made[] = [];
        const aside = new Set<string>();
        const rootOf = new Map<string, string>();
        for (const [i, { from, writes, fault }] of steps.entries()) {
          const job = `job${i}`;
          const origin = snapshots[from];
          const root = origin?.lineage[0]?.job ?? job;
          const parts = new Set(origin?.parts);
          const run = new SinkRun(disk, job, origin);
          const before = shown(disk).names;
          if ([...parts].some((part) => aside.has(part))) {
            counts.refused++;
            await assert.rejects(startedUnder(run, null), isAhead);
            assert.deepEqual(shown(disk).names, before);
            continue;
          }
          rootOf.set(job, root);
          await startedUnder(run, fault);
          const jobOf = (name: string) => name.split('-')[1] ?? '';
          const expected = before.filter((name) => rootOf.get(jobOf(name)) !== root || parts.has(name));
          for (const name of before) if (!expected.includes(name)) aside.add(name);
          if (expected.length < before.length) counts.rewound++;
          assert.deepEqual(shown(disk).names, expected);
          for (const count of writes) {
            await more(run, count);
            for (const name of shown(disk).names) if (jobOf(name) === job) parts.add(name);
            snapshots.push({ ...run.saved(), parts: new Set(parts) });
          }
          await run.close();
          const own = shown(disk).names.filter((name) => parts.has(name));
          const lines = own.flatMap((name) =>
            String(disk.peek(`${TARGET}/${name}`))
              .trimEnd()
              .split('\n'),
          );
          assert.deepEqual(
            lines.map(Number).sort((a, b) => a - b),
            upTo(run.snapshot.position),
          );
        }
      }),
      { numRuns: 120 },
    );
    assert.ok(counts.refused > 5 && counts.rewound > 5, JSON.stringify(counts));
  });
});
