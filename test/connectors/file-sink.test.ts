/** The file sink under failures of every disk operation, lost power and torn writes. */
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { describe, test } from 'node:test';
import type { WriteFile } from '../../src/base/disk.js';
import { TidemarkError } from '../../src/base/errors.js';
import { BUFFER_CHARS } from '../../src/connectors/file-sink/writer.js';
import { type FileTransaction, fileSink } from '../../src/connectors/file-sink.js';
import type { Transaction } from '../../src/graph/sink.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import fc from '../helpers/property.js';
import { again, complete, consume, fail, operationsOf, play, SCRIPT, type Step, write } from './play.js';
import { SinkRun, sinkContext, TARGET } from './sink-run.js';

const LEDGER = `${TARGET}/.tidemark/ledger-out.ndjson`;

describe('committed output is exactly once', () => {
  for (const errno of ['ENOSPC', 'EIO']) {
    test(`when any one operation fails with ${errno}`, async () => {
      const operations = await operationsOf(SCRIPT);
      assert.ok(operations.length > 100);
      for (let n = 1; n <= operations.length; n++) {
        const disk = new FaultyDisk();
        disk.failAt(n, errno);
        await play(new SinkRun(disk), SCRIPT, () => disk.heal());
      }
    });
  }

  test('when power is lost at any operation', async () => {
    const operations = await operationsOf(SCRIPT);
    for (let n = 1; n <= operations.length; n++) {
      const disk = new FaultyDisk();
      disk.failFrom(n, 'EIO');
      await play(new SinkRun(disk), SCRIPT, () => disk.crash());
    }
  });

  test('when any append is torn, with and without power lost', async () => {
    const appends = (await operationsOf(SCRIPT)).filter((each) => each.startsWith('append'));
    for (let n = 1; n <= appends.length; n++) {
      for (const crashes of [true, false]) {
        const disk = new FaultyDisk();
        disk.tearAppend(n);
        await play(new SinkRun(disk), SCRIPT, () => (crashes ? disk.crash() : disk.heal()));
      }
    }
  });

  test('when failures come upon failures, at random', async () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: 0, max: 5 }).map(write) },
      { weight: 3, arbitrary: fc.constant(complete) },
      { weight: 2, arbitrary: fc.constantFrom(fail, consume, again) },
      {
        weight: 2,
        arbitrary: fc.tuple(fc.nat(40), fc.constantFrom('ENOSPC', 'EIO')).map(
          ([n, errno]): Step =>
            async (run) =>
              run.disk.failFrom(n + 1, errno),
        ),
      },
      {
        weight: 1,
        arbitrary: fc.nat(6).map(
          (n): Step =>
            async (run) =>
              run.disk.tearAppend(n + 1),
        ),
      },
      {
        weight: 1,
        arbitrary: fc.constant<Step>(async () => {
          throw new Error('the attempt fails');
        }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.array(fc.boolean()), async (steps, crashes) => {
        const disk = new FaultyDisk();
        let failures = 0;
        const healed: Step = async () => disk.heal();
        await play(new SinkRun(disk), [...steps, healed], () => {
          if (crashes[failures++ % Math.max(1, crashes.length)]) disk.crash();
          else disk.heal();
        });
      }),
      { numRuns: 300 },
    );
  });
});

describe('a job that died while it committed', () => {
  const isRename = (operation: string) => operation.startsWith(`rename ${TARGET}/.pending-`);

  /** The disk after job0 was stopped by a failure of operation `n` and all after it. */
  async function abandoned(n: number): Promise<{ disk: FaultyDisk; job0: SinkRun; committed: number }> {
    const disk = new FaultyDisk();
    const job0 = new SinkRun(disk);
    disk.failFrom(n, 'EIO');
    let committed = 0;
    try {
      await job0.start();
      for (const step of SCRIPT) {
        await step(job0);
        if (job0.settled) committed = job0.snapshot.position;
      }
    } catch {}
    disk.heal();
    return { disk, job0, committed };
  }

  test('is committed whole or not at all by the next job in its target, for good', async () => {
    const operations = await operationsOf(SCRIPT);
    for (let n = 1; n <= operations.length; n++) {
      const { disk, job0, committed } = await abandoned(n);
      await (await started(disk, 'job1')).close();
      const output = job0.output();
      assert.ok(output.length === committed || output.length === job0.snapshot.position, operations[n - 1]);
      if (isRename(operations[n - 1] ?? '')) assert.equal(output.length, job0.snapshot.position);
      disk.crash();
      await (await started(disk, 'job1')).close();
      assert.deepEqual(job0.output(), output, operations[n - 1]);
    }
  });

  test('is so too when the next job fails as well', async () => {
    const operations = await operationsOf(SCRIPT);
    for (const [n, operation] of operations.entries()) {
      if (!isRename(operation)) continue;
      for (let m = 1, failed = true; failed; m++) {
        const { disk, job0 } = await abandoned(n + 1);
        disk.failFrom(m, 'EIO');
        failed = await started(disk, 'job1').then(
          () => false,
          () => true,
        );
        disk.crash();
        await (await started(disk, 'job1')).close();
        assert.equal(job0.output().length, job0.snapshot.position, `${operation}, then ${m}`);
      }
    }
  });

  test('may be told to commit again', async () => {
    const operations = await operationsOf(SCRIPT);
    for (const [n, operation] of operations.entries()) {
      if (!isRename(operation) && operation !== `append ${LEDGER}`) continue;
      const { job0 } = await abandoned(n + 1);
      await job0.commitAgain();
      assert.equal(job0.output().length, job0.snapshot.position, operation);
    }
  });
});

async function started(disk = new FaultyDisk(), job?: string): Promise<SinkRun> {
  const run = new SinkRun(disk, job);
  await run.start();
  return run;
}

async function refused(doing: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(doing, (error) => {
    assert.ok(error instanceof TidemarkError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
}

describe('a target', () => {
  test('shows whole files with names that say where they come from', async () => {
    const run = await started();
    await run.write(4);
    await run.checkpoint(true);
    assert.deepEqual(
      run.disk.paths().map((path) => basename(path)),
      [
        '.pending-job0-0001-out-000-000001',
        'ledger-out.ndjson',
        'part-job0-0001-out-000-00000001.jsonl',
        'part-job0-0001-out-001-00000001.jsonl',
      ],
    );
    assert.equal(String(run.disk.peek(`${TARGET}/part-job0-0001-out-001-00000001.jsonl`)), '1\n3\n');
  });

  test('without its prepared file is refused, by its name', async () => {
    const run = await started();
    await run.write(2);
    const removing: Step = async ({ disk }) => {
      for (const name of run.hidden()) await disk.remove(`${TARGET}/${name}`);
    };
    const writer = run.checkpoint(false).then(() => removing(run));
    await writer;
    await refused(run.checkpoint(true), 'TARGET_CORRUPT', /out\/\.pending-job0-0001-out-00\d-000000 is gone/);
  });

  test('with a prepared file of another length is refused', async () => {
    const run = await started();
    await run.write(1);
    await run.checkpoint(false);
    const [name] = run.hidden();
    const file = await run.disk.create(`${TARGET}/${name}`);
    await file.append(Buffer.from('more'));
    await refused(run.checkpoint(true), 'TARGET_CORRUPT', /has 6 bytes where 2 were prepared/);
  });

  test('that lost its ledger is refused rather than written twice', async () => {
    const run = await started();
    await run.write(2);
    await run.checkpoint(true);
    await run.disk.remove(LEDGER);
    await refused(run.start(), 'TARGET_CORRUPT', /is gone, and no ledger says that it was committed/);
  });

  test('keeps what other jobs and other sinks have there', async () => {
    const disk = new FaultyDisk();
    const first = await started(disk, 'job1');
    await first.write(3);
    await first.checkpoint(true);
    const left = first.hidden();
    assert.equal(left.length, 1);
    const names = ['.pending-job0-0001-out-2-000-000000', '.pending-job0-0001-outer-000-000000', '.other'];
    for (const name of names) disk.plant(`${TARGET}/${name}`, Buffer.from('x'));
    disk.plant(`${TARGET}/.pending-job0-0001-out-000-000009`, Buffer.from('x'));
    const second = await started(disk, 'job0');
    await second.close();
    const now = disk.paths().map((path) => basename(path));
    for (const name of [...left, ...names]) assert.ok(now.includes(name), name);
    assert.ok(!now.includes('.pending-job0-0001-out-000-000009'));
  });

  test('knows commits of a sink that had another uid', async () => {
    const disk = new FaultyDisk();
    const run = await started(disk);
    await run.write(2);
    await run.checkpoint(true);
    await run.consume();
    const renamed = await fileSink<number>('out').committer?.(
      sinkContext(disk, { sink: 'renamed', attempt: 2 }),
    );
    await renamed?.recover(run.snapshot.transactions);
    await renamed?.commit(run.snapshot.transactions);
  });

  test('whose ledger is damaged before its last line is refused', async () => {
    const run = await started();
    for (let i = 0; i < 3; i++) {
      await run.write(2);
      await run.checkpoint(true);
    }
    const ledger = Buffer.from(run.disk.peek(LEDGER) ?? '');
    const second = ledger.indexOf('\n') + 30;
    ledger[second] = (ledger[second] ?? 0) ^ 1;
    run.disk.plant(LEDGER, ledger);
    await refused(run.start(), 'TARGET_CORRUPT', /ledger-out\.ndjson is damaged at line 2: its checksum/);
  });

  test('with a torn last line in its ledger goes on, and the line is cut off', async () => {
    const run = await started();
    await run.write(2);
    await run.checkpoint(true);
    run.disk.plant(
      LEDGER,
      Buffer.concat([run.disk.peek(LEDGER) ?? Buffer.alloc(0), Buffer.from('{"crc":"12')]),
    );
    await run.start();
    run.check();
    assert.match(String(run.disk.peek(LEDGER)), /\}\n$/);
    assert.doesNotMatch(String(run.disk.peek(LEDGER)), /"12/);
  });

  test('is named in the spec, and transactions that lead out of it are refused', () => {
    const sink = fileSink('out');
    assert.equal(sink.target, 'out');
    const good = { pending: '.pending-a', part: 'part-a', bytes: 1, lines: 1 };
    assert.deepEqual(sink.transaction?.check({ files: [good] }), { files: [good] });
    assert.deepEqual(sink.transaction?.upgrade(good, 1), { files: [good] }, 'as version 1 had it');
    assert.throws(() => sink.transaction?.check({ files: [] }));
    for (const bad of [
      { pending: '.pending-/../../x' },
      { pending: 'x' },
      { part: '../x' },
      { part: '.x' },
      { bytes: '1' },
    ]) {
      assert.throws(
        () => sink.transaction?.check({ files: [good, { ...good, ...bad }] }),
        JSON.stringify(bad),
      );
      assert.throws(() => sink.transaction?.upgrade({ ...good, ...bad }, 1), JSON.stringify(bad));
    }
    for (const make of [
      () => fileSink(''),
      () => fileSink('a', { prefix: '.a' }),
      () => fileSink('a', { prefix: 'a/b' }),
    ]) {
      assert.throws(make, (error) => error instanceof TidemarkError && error.code === 'DEFINITION_INVALID');
    }
  });
});

describe('a writer', () => {
  const open = async <T>(disk: FaultyDisk, options = {}) => {
    await disk.mkdir(TARGET);
    return fileSink<T>('out', options).open({ ...sinkContext(disk), subtask: 0, parallelism: 1, state: {} });
  };

  test('makes nothing when nothing is written', async () => {
    const disk = new FaultyDisk();
    const writer = await open(disk);
    await writer.write([]);
    assert.equal(await writer.prepare?.(1), undefined);
    await writer.close?.();
    assert.deepEqual(disk.paths(), []);
  });

  test('takes an encoder', async () => {
    const disk = new FaultyDisk();
    const writer = await open<string>(disk, {
      encode: (text: string) => text.toUpperCase(),
      prefix: 'shout',
    });
    await writer.write(['a', 'ü']);
    const value = await writer.prepare?.(7);
    assert.deepEqual(value?.files, [
      {
        pending: '.pending-job0-0001-out-000-000000',
        part: 'shout-job0-0001-out-000-00000007.jsonl',
        bytes: 5,
        lines: 2,
      },
    ]);
    assert.equal(String(disk.peek(`${TARGET}/.pending-job0-0001-out-000-000000`)), 'A\nÜ\n');
  });

  test('refuses what JSON has not, and prepares nothing after that', async () => {
    const disk = new FaultyDisk();
    const writer = await open<unknown>(disk);
    const refusal = (error: unknown) => error instanceof TidemarkError && error.code === 'VALUE_REFUSED';
    assert.throws(() => writer.write([1, { n: 2n }]), refusal);
    await assert.rejects(async () => writer.prepare?.(1), refusal);
    await writer.close?.();
    assert.deepEqual(disk.paths(), []);
    const encoded = await open<unknown>(disk, { encode: () => 5 });
    assert.throws(() => encoded.write([1]), refusal);
  });

  test('makes its caller wait once much is waiting for the disk', async () => {
    const disk = new FaultyDisk();
    await disk.mkdir(TARGET);
    const waiting: (() => void)[] = [];
    const create = disk.create.bind(disk);
    disk.create = async (path, options): Promise<WriteFile> => {
      const file = await create(path, options);
      const append = async (bytes: Uint8Array) => {
        await new Promise<void>((resolve) => waiting.push(resolve));
        await file.append(bytes);
      };
      return { append, sync: () => file.sync(), close: () => file.close() };
    };
    const writer = await open<string>(disk);
    const element = 'x'.repeat(99_997);
    let written = 0;
    const fill = () => {
      written += element.length + 3;
      return writer.write([element]);
    };
    let wait = fill();
    while (wait === undefined) wait = fill();
    assert.ok(written >= BUFFER_CHARS && written < BUFFER_CHARS + 300_000, `${written}`);
    let done = false;
    const waited = wait.then(() => {
      done = true;
    });
    while (!done) {
      waiting.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await waited;
    assert.equal(disk.peek(`${TARGET}/.pending-job0-0001-out-000-000000`)?.length, written);
  });

  test('keeps long and odd uids apart, in names a file system takes', async () => {
    const names = new Set<string>();
    const uids = ['ü'.repeat(100), `${'ü'.repeat(100)}x`, 'a b', 'a-b', 'a%20b', '..'.repeat(3)];
    for (const sink of uids) {
      const disk = new FaultyDisk();
      await disk.mkdir(TARGET);
      const writer = await fileSink<number>('out').open({
        ...sinkContext(disk, { sink }),
        subtask: 0,
        parallelism: 1,
        state: {},
      });
      await writer.write([1]);
      const value = await writer.prepare?.(1);
      const name = value?.files[0]?.part ?? '';
      assert.match(name, /^[A-Za-z0-9_.%~-]{1,200}$/);
      names.add(name);
    }
    assert.equal(names.size, uids.length);
  });
});

test('a ledger that grew long is folded, and forgets nothing', async () => {
  const disk = new FaultyDisk();
  await disk.mkdir(TARGET);
  const committer = await fileSink<number>('out').committer?.(sinkContext(disk));
  assert.ok(committer !== undefined);
  await committer.recover([]);
  const all: Transaction<FileTransaction>[] = [];
  let longest = 0;
  for (let checkpoint = 1; checkpoint <= 3000; checkpoint++) {
    if (checkpoint % 10 === 0) continue;
    const file = { pending: `.pending-${checkpoint}`, part: `part-${checkpoint}`, bytes: 0, lines: 0 };
    const id = { job: 'job0', attempt: 1, sink: 'out', subtask: 0, checkpoint };
    const transaction = { id, value: { files: [file] } };
    disk.plant(`${TARGET}/${file.pending}`, Buffer.alloc(0));
    await committer.commit([transaction]);
    all.push(transaction);
    longest = Math.max(longest, disk.peek(LEDGER)?.length ?? 0);
  }
  assert.ok(longest < 300_000, `${longest}`);
  await committer.commit(all);
  const missing = all.map(({ id, value }) => ({ id: { ...id, checkpoint: 2990 }, value })).slice(0, 1);
  await refused(committer.commit(missing), 'TARGET_CORRUPT', /\.pending-1 is gone/);
});

test('what other jobs have left in the folder is told, to a job that has no past', async () => {
  const disk = new FaultyDisk();
  const first = new SinkRun(disk);
  await first.start();
  await first.write(2);
  await first.checkpoint(true);
  await first.start();
  assert.deepEqual(first.log, [], 'its own are no surprise');
  const second = new SinkRun(disk, 'job1');
  await second.start();
  const part = 'part-job0-0001-out-000-00000001.jsonl';
  assert.deepEqual(second.log, [
    `sink out: ${TARGET} has 2 files of other jobs already, such as ${part}; adding to them`,
  ]);
  const restored = new SinkRun(disk, 'job2', first.saved());
  await restored.start();
  assert.deepEqual(restored.log, [], 'nor are those of its past');
});
