/** What the table of a database sink holds, under failures at every operation, crashes, repeated commits and rewinds. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import fc from '../helpers/property.js';
import {
  contextOf,
  expected,
  type Mode,
  Place,
  type Saved,
  StagingDisk,
  sinkOf,
  sql,
  TableRun,
} from './sqlite-run.js';

const place = new Place();
after(() => place.remove());

const MODES: readonly Mode[] = ['append', 'upsert'];
const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';

function newPlace() {
  return { path: place.path(), folder: place.folder, disk: new StagingDisk() };
}

const isCode = (code: string) => (error: unknown) => error instanceof TidemarkError && error.code === code;

async function more(run: TableRun, count: number): Promise<void> {
  await run.write(count);
  await run.checkpoint(true);
}

for (const mode of MODES) {
  describe(`a sink that ${mode}s`, () => {
    test('shows a checkpoint when it is complete, and stages nothing longer', async () => {
      const run = new TableRun(mode, newPlace());
      await run.start();
      await run.write(10);
      run.checkSettled();
      await run.checkpoint(false);
      run.checkSettled();
      assert.equal(run.staged().length, 3, 'two of the failed checkpoint, one of the running transaction');
      await more(run, 5);
      run.checkSettled();
      assert.equal(run.snapshot.position, 16);
      assert.equal(run.staged().length, 1, 'of the element written while it was prepared');
      await run.commitAgain();
      run.checkSettled();
      await run.close();
      assert.deepEqual(run.staged(), []);
    });

    test('drops what is newer than the snapshot it recovers from, and commits what that holds', async () => {
      const run = new TableRun(mode, newPlace());
      await run.start();
      await more(run, 4);
      await run.write(9);
      await run.checkpoint(false);
      await run.die();
      await run.start();
      assert.deepEqual(run.staged(), []);
      run.checkSettled();
      await more(run, 20);
      run.checkSettled();
      await run.close();
    });

    test('may fail at any operation of the disk, with power lost or not', async () => {
      const whole = new TableRun(mode, newPlace());
      const story = async (run: TableRun) => {
        await run.start();
        await run.write(8);
        await run.checkpoint(false);
        await more(run, 5);
        await more(run, 3);
        await run.close();
      };
      await story(whole);
      const operations = whole.disk.operations.length;
      assert.ok(operations > 30);
      for (let nth = 1; nth <= operations; nth++) {
        const dies = nth % 2 === 0;
        const run = new TableRun(mode, newPlace());
        if (nth % 3 === 0) run.disk.failFrom(nth, 'ENOSPC');
        else run.disk.failAt(nth, 'EIO');
        await story(run).catch(() => undefined);
        run.check(`operation ${nth}`);
        if (dies) await run.die();
        else {
          run.disk.heal();
          await run.close();
        }
        await run.start();
        run.checkSettled(`operation ${nth}, recovered`);
        assert.deepEqual(run.staged(), []);
        await more(run, 4);
        run.checkSettled(`operation ${nth}, gone on`);
        await run.close();
        rmSync(run.path);
      }
    });

    test('holds what a plain computation gives, whatever happens', async () => {
      const step = fc.oneof(
        { weight: 4, arbitrary: fc.record({ do: fc.constant('write'), n: fc.nat(30) }) },
        { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('complete', 'fail'), n: fc.constant(0) }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('again'), n: fc.constant(0) }) },
        { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('restart', 'die'), n: fc.constant(0) }) },
        { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('fault', 'tear'), n: fc.nat(25) }) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
          const run = new TableRun(mode, newPlace());
          await run.start();
          for (const { do: what, n } of steps) {
            try {
              if (what === 'write') await run.write(n);
              else if (what === 'complete' || what === 'fail') await run.checkpoint(what === 'complete');
              else if (what === 'again') await run.commitAgain();
              else if (what === 'fault') run.disk.failAt(n + 1, 'EIO');
              else if (what === 'tear') run.disk.tearAppend((n % 3) + 1);
              else {
                run.disk.heal();
                if (what === 'die') await run.die();
                else await run.close();
                await run.start();
                run.checkSettled();
              }
            } catch {
              run.check();
              await run.die();
              await run.start();
              run.checkSettled();
            }
            run.check();
          }
          run.disk.heal();
          await run.close().catch(() => undefined);
          await run.start();
          run.checkSettled();
          await more(run, 3);
          run.checkSettled();
          await run.close();
          rmSync(run.path);
        }),
        { numRuns: LONG ? 1000 : 25 },
      );
    });
  });
}

describe('a job restored from a snapshot', () => {
  async function history(mode: Mode) {
    const where = newPlace();
    const job0 = new TableRun(mode, where);
    await job0.start();
    const saved: Saved[] = [];
    for (const count of [4, 3, 5]) {
      await more(job0, count);
      saved.push(job0.saved());
    }
    await job0.close();
    const [first, second, third] = saved;
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    return { where, job0, first, second, third };
  }

  test('is ahead of nothing where its table is as the snapshot left it', async () => {
    const { where, third } = await history('append');
    const run = new TableRun('append', where, { job: 'job1', origin: third });
    assert.equal(await run.ahead(), 0);
    await run.start();
    run.checkSettled();
    await more(run, 4);
    run.checkSettled();
    await run.close();
    const elsewhere = new TableRun('append', newPlace(), { job: 'job2', origin: third });
    assert.equal(await elsewhere.ahead(), 0);
  });

  test('takes the later rows out, and every row is there once', async () => {
    const { where, first, second, third } = await history('append');
    const fork = new TableRun('append', where, { job: 'fork', origin: second });
    assert.equal(await fork.ahead(), 2);
    await fork.start();
    await more(fork, 6);
    await fork.close();
    const run = new TableRun('append', where, { job: 'job1', origin: first });
    assert.equal(await run.ahead(), 4, 'two of job0, two of its fork');
    await run.start();
    run.checkSettled();
    await more(run, 7);
    run.checkSettled();
    await run.close();
    const newest = new TableRun('append', where, { job: 'job2', origin: third });
    await assert.rejects(newest.ahead(), isCode('TARGET_AHEAD'));
    await assert.rejects(newest.start(), isCode('TARGET_AHEAD'));
    assert.equal(run.table(), expected('append', run.snapshot.position));
  });

  test('stays as it was where a rewind fails, and finishes it the next time', async () => {
    const { where: sample, first: origin } = await history('append');
    sample.disk.operations.length = 0;
    const counted = new TableRun('append', sample, { job: 'job1', origin });
    await counted.start();
    await counted.close();
    const operations = sample.disk.operations.length;
    for (let nth = 1; nth <= operations; nth++) {
      const { where, job0, first } = await history('append');
      where.disk.failFrom(nth, 'EIO');
      const run = new TableRun('append', where, { job: 'job1', origin: first });
      await run.start().catch(() => undefined);
      const found = run.table();
      assert.ok(
        [job0.snapshot.position, first.position].some((n) => found === expected('append', n)),
        found,
      );
      await run.die();
      const again = new TableRun('append', where, { job: 'job1', origin: first });
      await again.start();
      again.checkSettled(`operation ${nth}`);
      await again.close();
      rmSync(run.path);
    }
  });

  const CHANGES = {
    'a row was deleted': 'DELETE FROM numbers WHERE n = 9',
    'a row was changed': 'UPDATE numbers SET n = 99 WHERE n = 9',
    'rows were renumbered': 'DELETE FROM numbers WHERE n = 1; VACUUM',
    'a row was deleted and its number given to another':
      'DELETE FROM numbers WHERE n = 10; INSERT INTO numbers VALUES (1000)',
    'the column is gone':
      'ALTER TABLE numbers ADD COLUMN m; UPDATE numbers SET m = n; ALTER TABLE numbers DROP COLUMN n; ALTER TABLE numbers ADD COLUMN n',
  };
  for (const [what, text] of Object.entries(CHANGES)) {
    test(`changes nothing where ${what}`, async () => {
      const { where, first } = await history('append');
      sql(where.path, text);
      const before = sql(where.path, 'SELECT * FROM numbers');
      const run = new TableRun('append', where, { job: 'job1', origin: first });
      await assert.rejects(
        run.start(),
        (error) => isCode('TARGET_AHEAD')(error) && /others have/.test(String(error)),
      );
      assert.deepEqual(sql(where.path, 'SELECT * FROM numbers'), before);
      assert.equal(await run.ahead(), 4);
    });
  }

  test('does not mind what others have done to columns that the sink does not write', async () => {
    const { where, first } = await history('append');
    sql(where.path, "ALTER TABLE numbers ADD COLUMN seen TEXT; UPDATE numbers SET seen = 'yes'");
    const run = new TableRun('append', where, { job: 'job1', origin: first });
    await run.start();
    run.checkSettled();
    await run.close();
  });

  test('is refused where rows were overwritten', async () => {
    const { where, job0, first } = await history('upsert');
    const run = new TableRun('upsert', where, { job: 'job1', origin: first });
    await assert.rejects(run.start(), /TidemarkError.*cannot rewind.*overwritten/);
    job0.checkSettled();
  });
});

describe('what becomes of a target', () => {
  async function written() {
    const where = newPlace();
    const run = new TableRun('append', where);
    await run.start();
    await more(run, 6);
    await run.die();
    return { where, run };
  }

  test('a database that was deleted or replaced is noticed by the job that wrote it', async () => {
    const { where, run } = await written();
    rmSync(where.path);
    await assert.rejects(run.start(), isCode('TARGET_CORRUPT'));
    sql(where.path, 'CREATE TABLE numbers (n)');
    await assert.rejects(run.start(), /not the database that this job has written into/);
    const fresh = new TableRun('append', where, { job: 'other' });
    await fresh.start();
    await more(fresh, 3);
    fresh.checkSettled();
    await fresh.close();
  });

  test('a database that is deleted while it is written into is noticed, and no staged row goes with it', async () => {
    const where = newPlace();
    const run = new TableRun('append', where);
    await run.start();
    await more(run, 6);
    rmSync(where.path);
    await run.write(5);
    await assert.rejects(run.checkpoint(true), /was moved, deleted or replaced while the job wrote into it/);
    assert.equal(run.staged().length, 3, 'two of the checkpoint, one of the running transaction');
    await run.die();
  });

  test('rows that were staged and are gone or damaged, and are not in the ledger, are noticed', async () => {
    const where = newPlace();
    const run = new TableRun('append', where);
    await run.start();
    await run.write(6);
    sql(where.path, "CREATE TRIGGER t BEFORE INSERT ON numbers BEGIN SELECT RAISE(ABORT, 'not now'); END");
    await assert.rejects(run.checkpoint(true), (error) => {
      assert.ok(error instanceof TidemarkError);
      assert.equal(error.code, 'SINK_FAILED');
      assert.match(error.message, /table "numbers", the row \{n: 0\}.*not now/);
      return true;
    });
    sql(where.path, 'DROP TRIGGER t');
    await run.die();
    const [victim] = run.staged();
    assert.ok(victim !== undefined);
    const bytes = Buffer.from(where.disk.peek(victim) ?? '');
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    const good = where.disk.peek(victim) ?? Buffer.alloc(0);
    where.disk.plant(victim, bytes);
    await assert.rejects(
      run.start(),
      (error) => isCode('TARGET_CORRUPT')(error) && /damaged frame/.test(String(error)),
    );
    where.disk.plant(victim, good.subarray(0, good.length - 1));
    await assert.rejects(
      run.start(),
      (error) => isCode('TARGET_CORRUPT')(error) && /were prepared/.test(String(error)),
    );
    await where.disk.remove(victim);
    await assert.rejects(
      run.start(),
      (error) => isCode('TARGET_CORRUPT')(error) && /is gone/.test(String(error)),
    );
    where.disk.plant(victim, good);
    await run.start();
    run.checkSettled();
    await run.close();
  });

  test('a ledger of another make is refused', async () => {
    const { where, run } = await written();
    sql(where.path, 'ALTER TABLE tidemark_ledger ADD COLUMN more');
    await assert.rejects(run.start(), isCode('TARGET_CORRUPT'));
    const committer = await sinkOf('append', where.path).committer?.(contextOf(where.disk, where.folder));
    await assert.rejects(async () => committer?.ahead?.([]), isCode('TARGET_CORRUPT'));
  });

  test('a lineage that is no lineage is refused', async () => {
    const { where, run } = await written();
    sql(where.path, "UPDATE tidemark_jobs SET lineage = '[5]'");
    await assert.rejects(run.ahead(), isCode('TARGET_CORRUPT'));
  });
});
