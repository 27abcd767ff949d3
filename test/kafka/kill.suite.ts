/**
 * A job from topic to topic, its process killed at random moments and between a checkpoint's completion and its commit, saved
 * and restored at another parallelism: a reader of committed messages sees what an uninterrupted run gives, each once.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../src/base/random.js';
import { difference, Sandbox } from '../crash/harness.js';
import { SEED } from '../helpers/seed.js';
import type { TestBroker } from './broker.js';
import { Topics } from './topics.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const KILLS = LONG ? 30 : 6;
/** Kills at the stop point between a checkpoint's completion and its commit. */
const NAMED_EVERY = 4;
const RATE = 500;
/** Milliseconds that a job runs before it is killed, at most. */
const LONGEST_LIFE = 1000;
const ORDERS = 600 + KILLS * 300;
const CUSTOMERS = 37;
const PARTITIONS = { orders: 3, totals: 2 };

export function killSuite(broker: TestBroker): void {
  test(`source to sink under ${KILLS} kills and a rescale: nothing missing, nothing doubled`, async (t) => {
    const topics = new Topics(broker.address);
    const sandbox = new Sandbox();
    t.after(async () => {
      sandbox.remove();
      await topics.close();
    });
    await topics.create('orders', PARTITIONS.orders);
    await topics.create('totals', PARTITIONS.totals);
    const orders = Array.from({ length: ORDERS }, (_, i) => ({ customer: `c${i % CUSTOMERS}`, cents: i }));
    // A customer's orders are in one partition, and so in order.
    const partitionOf = (i: number) => (i % CUSTOMERS) % PARTITIONS.orders;
    await topics.fill(
      'orders',
      orders.map((order) => JSON.stringify(order)),
      partitionOf,
    );
    const random = seededRandom(SEED);
    const common = ['--checkpoint-interval', '200ms'];
    const params = ['--param', `brokers=${broker.address}`, '--param', `rate=${RATE}`];
    const run = ['run', 'fixtures/jobs/customer-totals.ts', '--resume', ...common, ...params];
    const saved = sandbox.path('saved.tar');
    const restore = ['restore', saved, '-p', '3', ...common, '--name', 'wider'];
    const goOn = [...run, '--name', 'wider'];
    const kill = async (args: readonly string[], named: boolean) => {
      const point = `checkpoint-before-commit:${1 + Math.floor(random.next() * 2)}`;
      const job = sandbox.start(args, named ? { TIDEMARK_FAILPOINT: point } : {});
      const life = random.next() * LONGEST_LIFE;
      if (!named) {
        await job.says(/ runs from /);
        setTimeout(() => job.process.kill('SIGKILL'), life);
      }
      const { signal, stderr } = await job.finished;
      assert.equal(signal, 'SIGKILL', `the job ended before it was killed: ${stderr}`);
    };
    for (let i = 0; i < KILLS / 2; i++) await kill(run, i % NAMED_EVERY === 1);
    const narrow = sandbox.start(run);
    await narrow.says(/ runs from /);
    const stopped = sandbox.run(['stop', 'customer-totals', '-o', saved]);
    assert.equal(stopped.code, 0, stopped.stderr);
    await narrow.finished;
    for (let i = 0; i < KILLS / 2; i++) {
      await kill(i === 0 ? restore : goOn, i % NAMED_EVERY === 1);
    }
    const last = sandbox.run(goOn);
    assert.equal(last.code, 0, last.stderr);

    const log = await topics.endedLog('totals', PARTITIONS.totals);
    assert.equal(
      difference(
        log.committed.map(({ value }) => value ?? ''),
        totalsOf(orders),
      ),
      '',
    );
    assert.deepEqual(log.open, [], 'nothing is left open');
    assert.ok(log.aborted.length > 0, 'no kill has hit a transaction');
    for (const { partition, key } of log.committed)
      assert.equal(partition, log.committed.find((other) => other.key === key)?.partition);

    // The snapshot is behind the topic now: another job from it would write all that again. (writing.suite.ts looks, too.)
    if (!LONG) return;
    const again = sandbox.run(['restore', saved, '--name', 'again', '--quiet', '--json']);
    assert.equal(again.code, 5, again.stderr);
    assert.match(again.stderr, /TARGET_AHEAD/);
  });
}

function totalsOf(orders: readonly { readonly customer: string; readonly cents: number }[]): string[] {
  const totals = new Map<string, { orders: number; cents: number }>();
  return orders.map(({ customer, cents }) => {
    const before = totals.get(customer) ?? { orders: 0, cents: 0 };
    const now = { orders: before.orders + 1, cents: before.cents + cents };
    totals.set(customer, now);
    return JSON.stringify({ customer, ...now });
  });
}
