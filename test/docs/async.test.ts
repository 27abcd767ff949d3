/** What docs/async.md says, and its example against a service of its own. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { z } from 'zod';
import airportLookup from '../../fixtures/jobs/airport-lookup.js';
import type { Flight } from '../../fixtures/jobs/flight.js';
import { type Stream, schema } from '../../src/index.js';
import { testJob, testOperator } from '../../src/testing.js';

const servers: ReturnType<typeof createServer>[] = [];
after(() => {
  for (const server of servers) server.closeAllConnections();
  for (const server of servers) server.close();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function flight(origin: string): Flight {
  return { date: '2001/01/01 08:00', delay: 0, distance: 100, origin, destination: 'BOS' };
}

test('airport-lookup: found, not known, and given up', async () => {
  const asked: Record<string, number> = {};
  const service = await serve((request, response) => {
    const airport = request.url?.replace('/airports/', '') ?? '';
    asked[airport] = (asked[airport] ?? 0) + 1;
    const status = { ATL: asked['ATL'] === 1 ? 503 : 200, XXX: 404 }[airport] ?? 500;
    response.writeHead(status).end(JSON.stringify({ city: 'Atlanta', state: 'GA' }));
  });
  const flights = ['ATL', 'XXX', 'BAD'].map(flight);
  const job = await testJob(airportLookup, { inputs: { flights }, params: { service } });
  // The clock stands still but for the test, and so do the delays between two tries.
  for (let look = 0; (await job.run()) === 'idle' && look < 10; look++) job.clock.advance('1s');
  assert.deepEqual(job.output('out'), [
    { ...flight('ATL'), airport: { city: 'Atlanta', state: 'GA' } },
    { ...flight('XXX'), airport: null },
    { ...flight('BAD'), airport: null },
  ]);
  assert.deepEqual(asked, { ATL: 2, XXX: 1, BAD: 4 });
  await job.close();
});

interface Payment {
  readonly id: string;
  readonly cents: number;
}

/** Charges each payment once, however often it is asked to. */
function charged(payments: Stream<Payment>, bank: string) {
  return payments.asyncMap(
    'charge',
    async (payment, { signal }) => {
      const answer = await fetch(`${bank}/charges`, {
        method: 'POST',
        // The same for the same payment, in every try and after every recovery.
        headers: { 'Idempotency-Key': payment.id },
        body: JSON.stringify(payment),
        signal,
      });
      if (!answer.ok) throw new Error(`the bank says ${answer.status} to payment ${payment.id}`);
      return payment;
    },
    { ordered: false, retries: { attempts: 5 } },
  );
}

test('a call is made again after a recovery; the service tells it from another', async () => {
  const charges: string[] = [];
  const bank = await serve((request, response) => {
    charges.push(String(request.headers['idempotency-key']));
    // The first is never answered.
    if (charges.length > 1) response.writeHead(200).end();
  });
  const piece = (payments: Stream<Payment>) => charged(payments, bank);
  const first = await testOperator(piece);
  first.push({ id: 'p1', cents: 100 });
  while (charges.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const snapshot = await first.snapshot();
  await first.close();
  const second = await testOperator(piece, { restore: snapshot });
  await second.settled();
  assert.deepEqual(second.output(), [{ id: 'p1', cents: 100 }]);
  assert.deepEqual(charges, ['p1', 'p1']);
  await second.close();
});

test('the clock of a test makes calls too late, and tries them again', async () => {
  const asked: number[] = [];
  const slow = (ids: Stream<number>) =>
    ids.asyncMap('ask', (id) => new Promise<string>(() => void asked.push(id)), {
      timeout: '5s',
      retries: { attempts: 2, delay: '1s' },
      fallback: (id) => `nobody knows ${id}`,
    });

  const op = await testOperator(slow);
  op.push(7);
  assert.deepEqual(op.state('ask'), [7]);
  op.advance('5s');
  op.advance('1s');
  assert.deepEqual(asked, [7, 7]);
  op.advance('5s');
  assert.deepEqual(op.output(), ['nobody knows 7']);
  await op.close();
});

const Order = schema(z.object({ id: z.string(), customer: z.number() }));

test('with a schema, what is in flight is checked, and comes along with its versions', async () => {
  const names = ['nobody', 'Ada'];
  const enriched = (orders: Stream<{ readonly id: string; readonly customer: number }>) =>
    orders.asyncMap('customer', async (order) => ({ ...order, name: names[order.customer] ?? '?' }), {
      schema: Order,
    });
  const op = await testOperator(enriched);
  op.push({ id: 'a', customer: 1 });
  assert.equal(await op.settled(), 0);
  assert.deepEqual(op.takeOutput(), [{ id: 'a', customer: 1, name: 'Ada' }]);
  await op.close();
});
