/** The HTTP sink against a server that fails in every way a server can. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type Clock, systemClock } from '../../src/base/clock.js';
import { TidemarkError } from '../../src/base/errors.js';
import { idempotencyKey } from '../../src/connectors/http-sink/batch.js';
import { type HttpSinkOptions, httpSink } from '../../src/connectors/http-sink.js';
import type { OperatorState } from '../../src/graph/operator-state.js';
import type { SinkWriter } from '../../src/graph/sink.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import fc from '../helpers/property.js';
import { BatchServer, type Deed } from './http-server.js';
import { sinkContext } from './sink-run.js';

const TIMEOUT = 30_000;
const LINGER = 1000;

/** Waits for nothing but what the test lets pass: timeouts and lingering by hand, all else at once. */
class TestClock implements Clock {
  readonly slept: number[] = [];
  readonly held = new Map<number, () => void>();

  now = systemClock.now;
  monotonic = systemClock.monotonic;

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.slept.push(ms);
    return new Promise((resolve) => {
      if (ms !== TIMEOUT && ms !== LINGER) return void setImmediate(resolve);
      if (signal?.aborted) return resolve();
      this.held.set(ms, resolve);
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  pass(ms: number): void {
    const wake = this.held.get(ms);
    assert.ok(wake !== undefined, `nobody waits for ${ms} ms`);
    this.held.delete(ms);
    wake();
  }
}

function stateOf(elements: number[]): OperatorState<number> {
  let held: readonly number[] = elements;
  return {
    get: () => held,
    set: (next) => {
      held = [...next];
    },
    add: (one) => {
      held = [...held, one];
    },
    update: (change) => {
      held = [...change(held)];
    },
    clear: () => {
      held = [];
    },
    get size() {
      return held.length;
    },
  };
}

let server: BatchServer;
let clock: TestClock;
before(async () => {
  server = await BatchServer.start();
});
after(() => server.close());
beforeEach(() => {
  server.deeds = [];
  server.taken.length = 0;
  server.requests.length = 0;
  server.answer = { headers: {}, body: '' };
  clock = new TestClock();
});

async function open<T>(
  options: HttpSinkOptions<T> = {},
  more: { url?: string; since?: OperatorState<number>; subtask?: number } = {},
): Promise<SinkWriter<T, void>> {
  const { url = server.origin, since = stateOf([]), subtask = 0 } = more;
  const context = { ...sinkContext(new FaultyDisk()), clock, subtask, parallelism: 1, state: { since } };
  return httpSink<T>(url, options).open(context);
}

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i);

function failsWith(code: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof TidemarkError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

/** Settles when the server has had so many requests. */
async function requests(count: number): Promise<void> {
  while (server.requests.length < count) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe('batches', () => {
  test('are cut when they are full, and at a barrier', async () => {
    const writer = await open<number>({ batch: 4 });
    await writer.write(numbers(10));
    await writer.prepare?.(1);
    await writer.prepare?.(2);
    assert.deepEqual(
      server.taken.map(({ body }) => String(body)),
      ['[0,1,2,3]', '[4,5,6,7]', '[8,9]'],
    );
    assert.equal(server.requests[0]?.headers['content-type'], 'application/json');
    await writer.close?.();
  });

  test('are cut when the first element has waited long enough', async () => {
    const writer = await open<number>({ linger: LINGER });
    await writer.write([1]);
    await writer.write([2]);
    assert.equal(server.requests.length, 0);
    clock.pass(LINGER);
    await requests(1);
    await writer.write([3]);
    await writer.prepare?.(1);
    assert.deepEqual(server.elements(), [1, 2, 3]);
    assert.equal(server.taken.length, 2);
    await writer.close?.();
  });

  test('have bodies, methods and headers as told, asked for anew each try', async () => {
    let asked = 0;
    server.deeds = [503];
    const writer = await open<string>({
      method: 'PUT',
      headers: async () => ({ authorization: `Bearer ${++asked}` }),
      encode: (lines) => Buffer.from(lines.join('\n')),
      contentType: 'text/plain',
    });
    await writer.write(['a', 'ü']);
    await writer.prepare?.(1);
    assert.equal(String(server.taken[0]?.body), 'a\nü');
    const [first, second] = server.requests;
    assert.deepEqual([first?.method, second?.headers['content-type']], ['PUT', 'text/plain']);
    assert.deepEqual(
      server.requests.map(({ headers }) => headers.authorization),
      ['Bearer 1', 'Bearer 2'],
    );
    assert.equal(first?.headers['idempotency-key'], second?.headers['idempotency-key']);
    await writer.close?.();
  });

  test('make the caller wait once more than a few are to be sent', async () => {
    server.deeds = ['hang'];
    const writer = await open<number>({ batch: 1, timeout: TIMEOUT });
    const waits = numbers(4).map((n) => writer.write([n]));
    assert.deepEqual(
      waits.map((wait) => wait === undefined),
      [true, true, false, false],
    );
    await requests(1);
    clock.pass(TIMEOUT);
    await Promise.all(waits);
    assert.deepEqual(server.elements(), numbers(4));
    await writer.close?.();
  });

  test('with what cannot be encoded are refused, and nothing is sent after them', async () => {
    const writer = await open<unknown>({ batch: 2 });
    assert.throws(() => writer.write([1, 2n]), failsWith('VALUE_REFUSED', /cannot be written as JSON/));
    await assert.rejects(async () => writer.prepare?.(1), failsWith('VALUE_REFUSED', /./));
    const encoded = await open<number>({ batch: 1, encode: () => JSON.parse('5') });
    assert.throws(() => encoded.write([1]), failsWith('VALUE_REFUSED', /encode returned number/));
    assert.equal(server.requests.length, 0);
  });
});

describe('a server', () => {
  const retried: Deed[] = ['lost', 'half', 'close', 500, 503, 429, 408];
  for (const deed of retried) {
    test(`that answers ${deed} is asked again, with the same key`, async () => {
      server.deeds = [deed, deed];
      const writer = await open<number>();
      await writer.write([1, 2]);
      await writer.prepare?.(1);
      assert.deepEqual(server.elements(), [1, 2]);
      // What half came back says 2xx already.
      assert.equal(server.requests.length, deed === 'half' ? 1 : 3);
      assert.equal(new Set(server.requests.map(({ headers }) => headers['idempotency-key'])).size, 1);
      await writer.close?.();
    });
  }

  test('that hangs is asked again after the timeout', async () => {
    server.deeds = ['hang'];
    const writer = await open<number>({ timeout: TIMEOUT });
    await writer.write([1]);
    const prepared = writer.prepare?.(1);
    await requests(1);
    clock.pass(TIMEOUT);
    await prepared;
    assert.deepEqual(server.elements(), [1]);
    await writer.close?.();
  });

  test('is not waited for longer where the headers never come', async () => {
    let asked = 0;
    const headers = () => (asked++ === 0 ? new Promise<Record<string, string>>(() => {}) : {});
    const writer = await open<number>({ timeout: TIMEOUT, headers });
    await writer.write([1]);
    const prepared = writer.prepare?.(1);
    while (!clock.held.has(TIMEOUT)) await new Promise((resolve) => setImmediate(resolve));
    clock.pass(TIMEOUT);
    await prepared;
    assert.deepEqual([server.elements(), asked], [[1], 2]);
    const other = await open<number>({ headers: () => new Promise(() => {}) });
    await other.write([1]);
    const never = assert.rejects(async () => other.prepare?.(1), failsWith('SINK_FAILED', /was closed/));
    await other.close?.();
    await never;
    await writer.close?.();
  });

  test('that refuses fails the sink at once, with what it said', async () => {
    for (const status of [400, 401, 404, 409, 413, 301, 307]) {
      server.deeds = [status];
      server.answer = { headers: { location: 'http://127.0.0.1:1/' }, body: `no: ${'x'.repeat(2000)}` };
      const writer = await open<number>();
      await writer.write([1]);
      const refusal = new RegExp(
        `^sink out: http://127\\.0\\.0\\.1:\\d+ answered ${status}: no: x{400,500}… \\(a batch of 1\\)`,
      );
      await assert.rejects(async () => writer.prepare?.(1), failsWith('SINK_FAILED', refusal));
      await assert.rejects(async () => writer.write([2]), failsWith('SINK_FAILED', /./));
      await writer.close?.();
    }
    assert.equal(server.requests.length, 7);
    assert.equal(server.taken.length, 0);
  });

  test('that never comes back fails the sink when the tries are used up', async () => {
    server.deeds = numbers(20).map(() => 503);
    const writer = await open<number>({ retries: { attempts: 4, delay: 100, factor: 3, most: '400ms' } });
    await writer.write([1]);
    await assert.rejects(
      async () => writer.prepare?.(1),
      failsWith('SINK_FAILED', /answered 503, 4 times \(a batch of 1\)/),
    );
    assert.equal(server.requests.length, 4);
    assert.deepEqual(
      clock.slept.filter((ms) => [100, 300, 400].includes(ms)),
      [100, 300, 400],
    );
    await writer.close?.();
  });

  test('that is not there, or no server at all, is named with its reason', async () => {
    const gone = await BatchServer.start();
    const url = `${gone.origin}/hooks/secret-path`;
    await gone.close();
    const writer = await open<number>({ retries: { attempts: 2 } }, { url });
    await writer.write([1]);
    const unreachable =
      /sink out: http:\/\/127\.0\.0\.1:\d+\/… could not be reached, 2 times: .*ECONNREFUSED/;
    await assert.rejects(async () => writer.prepare?.(1), failsWith('SINK_FAILED', unreachable));
    const other = createServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    assert.ok(typeof address === 'object' && address !== null);
    const odd = await open<number>({ retries: { attempts: 1 } }, { url: `http://127.0.0.1:${address.port}` });
    await odd.write([1]);
    await assert.rejects(async () => odd.prepare?.(1), failsWith('SINK_FAILED', /could not be reached: /));
    other.close();
  });

  test('that is slow does not outlast the sink: closing ends the request', async () => {
    server.deeds = ['hang'];
    const writer = await open<number>({ timeout: TIMEOUT });
    await writer.write([1]);
    const prepared = writer.prepare?.(1);
    await requests(1);
    await Promise.all([
      writer.close?.(),
      assert.rejects(async () => prepared, failsWith('SINK_FAILED', /was closed/)),
    ]);
  });

  test('is told from a hang of the job: the runtime hears that the wait goes on', async () => {
    server.deeds = [503, 503];
    let beats = 0;
    const since = stateOf([]);
    const alive = () => void beats++;
    const context = {
      ...sinkContext(new FaultyDisk()),
      ...{ clock, alive, subtask: 0, parallelism: 1, state: { since } },
    };
    const writer = await httpSink<number>(server.origin).open(context);
    await writer.write([1]);
    await writer.prepare?.(1);
    const during = beats;
    assert.ok(during > 0);
    await writer.close?.();
  });
});

test('a server that says when to come back is heeded', async () => {
  server.deeds = [429];
  server.answer = { headers: { 'retry-after': '17' }, body: '' };
  const writer = await open<number>();
  await writer.write([1]);
  await writer.prepare?.(1);
  assert.ok(clock.slept.includes(17_000));
  await writer.close?.();
});

describe('keys', () => {
  test('are those of place and body, as documented', () => {
    const id = { job: 'j', sink: 'out', subtask: 1, since: 4, before: 2 };
    const hash = createHash('sha256').update('["j","out",1,4,2]\n[1]').digest('hex');
    assert.equal(idempotencyKey(id, '[1]'), hash);
    assert.equal(idempotencyKey(id, Buffer.from('[1]')), hash);
    const others = [{ job: 'k' }, { sink: 'x' }, { subtask: 2 }, { since: 5 }, { before: 3 }];
    const keys = [
      idempotencyKey(id, '[2]'),
      ...others.map((more) => idempotencyKey({ ...id, ...more }, '[1]')),
    ];
    assert.equal(new Set([hash, ...keys]).size, keys.length + 1);
  });

  /** What becomes of a sink: elements come, a barrier falls (and its checkpoint completes or not), the process dies. */
  const event = fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 1, max: 9 }) },
    { weight: 2, arbitrary: fc.constantFrom('checkpoint' as const, 'failed checkpoint' as const) },
    { weight: 2, arbitrary: fc.constant('crash' as const) },
  );
  const deed = fc.oneof(
    { weight: 4, arbitrary: fc.constant<Deed>('ok') },
    { weight: 3, arbitrary: fc.constantFrom<Deed>('lost', 'close', 'half', 500, 429) },
  );

  test('let a server that remembers them lose no element, even when all are equal', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { maxLength: 20 }),
        fc.array(deed, { maxLength: 30 }),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        async (events, deeds, batch, equal) => {
          server.deeds = deeds;
          server.taken.length = 0;
          let [position, kept, since, checkpoint] = [0, 0, [] as readonly number[], 0];
          let state = stateOf([]);
          const options = { batch, retries: { attempts: 40 } };
          let writer = await open<number>(options, { since: state });
          for (const each of [...events, 'checkpoint' as const]) {
            if (typeof each === 'number') {
              await writer.write(numbers(each, position).map((n) => (equal ? 7 : n)));
              position += each;
            } else if (each === 'crash') {
              await writer.close?.();
              state = stateOf([...since]);
              position = kept;
              writer = await open<number>(options, { since: state });
            } else {
              const preparing = writer.prepare?.(++checkpoint);
              const held = state.get();
              await preparing;
              if (each === 'checkpoint') [kept, since] = [position, held];
            }
          }
          await writer.close?.();
          const bodies = new Map<string, string>();
          for (const { key, body } of server.taken) {
            assert.equal(bodies.get(key) ?? String(body), String(body), 'one key for two bodies');
            bodies.set(key, String(body));
          }
          const elements = server.elements();
          assert.ok(elements.length >= position, `${elements.length} of ${position}`);
          // After a crash less may have been written again than before.
          const missing = numbers(position).filter((n) => !equal && !elements.includes(n));
          assert.deepEqual(missing, []);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('drop what is sent again after a crash, where it is cut alike', async () => {
    const since = stateOf([3]);
    const first = await open<number>({ batch: 3 }, { since });
    await first.write(numbers(8));
    await first.close?.();
    const again = await open<number>({ batch: 3 }, { since });
    await again.write(numbers(8));
    await again.prepare?.(4);
    await again.close?.();
    assert.deepEqual(server.elements(), numbers(8));
    assert.deepEqual(since.get(), [4]);
  });

  test('tell equal elements apart where batches are cut elsewhere after a crash', async () => {
    const since = stateOf([3]);
    const first = await open<string>({ batch: 1 }, { since });
    await first.write(['a', 'a']);
    while (server.taken.length < 2) await new Promise((resolve) => setImmediate(resolve));
    await first.close?.();
    const again = await open<string>({ batch: 2 }, { since });
    await again.write(['a', 'a', 'a']);
    await again.prepare?.(4);
    await again.close?.();
    // The third of them is none of the two that the server has had.
    assert.deepEqual(
      server.taken.map(({ body }) => String(body)),
      ['["a"]', '["a"]', '["a","a"]', '["a"]'],
    );
    assert.equal(new Set(server.taken.map(({ key }) => key)).size, 4);
  });

  test('of two subtasks differ', async () => {
    for (const subtask of [0, 1]) {
      const writer = await open<number>({}, { subtask });
      await writer.write([1]);
      await writer.prepare?.(1);
      await writer.close?.();
    }
    assert.equal(server.elements().length, 2);
  });
});

describe('secrets', () => {
  test('are in no description, error or log, wherever they stand', async () => {
    const { origin } = server;
    const url = origin.replace('http://', 'http://user:pass-word@').concat('/hook/abcdef?token=t0k3n&x=1');
    const sink = httpSink<number>(url, { headers: { authorization: 'Bearer s3cr3t-value' } });
    assert.equal(sink.describe, `POST ${origin}/…`);
    server.deeds = [400];
    server.answer = {
      headers: {},
      body: 'denied: pass-word t0k3n s3cr3t-value /hook/abcdef?token=t0k3n&x=1',
    };
    const context = {
      ...sinkContext(new FaultyDisk()),
      clock,
      subtask: 0,
      parallelism: 1,
      state: { since: stateOf([]) },
    };
    const writer = await sink.open(context);
    await writer.write([1]);
    await assert.rejects(
      async () => writer.prepare?.(1),
      (error) => {
        assert.ok(error instanceof TidemarkError);
        const shown = JSON.stringify(error.toRecord());
        assert.match(shown, /answered 400: denied: … …/);
        for (const secret of ['pass-word', 't0k3n', 's3cr3t', 'abcdef', 'x=1'])
          assert.ok(!shown.includes(secret), shown);
        return true;
      },
    );
    assert.equal(server.requests[0]?.headers.authorization, 'Bearer s3cr3t-value');
    await writer.close?.();
  });

  test('in the URL become a header', async () => {
    const writer = await open<number>({}, { url: server.origin.replace('http://', 'http://us%40er:p%3Aw@') });
    await writer.write([1]);
    await writer.prepare?.(1);
    const expected = `Basic ${Buffer.from('us@er:p:w').toString('base64')}`;
    assert.equal(server.requests[0]?.headers.authorization, expected);
    await writer.close?.();
  });

  test('are not shown when what they stand in is wrong', async () => {
    const invalid = [
      () => httpSink('ftp://user:s3cr3t@host/'),
      () => httpSink('s3cr3t'),
      () => httpSink('http://h', { headers: { a: 'a\ns3cr3t' } }),
    ];
    for (const make of invalid) {
      assert.throws(
        make,
        (error) => failsWith('DEFINITION_INVALID', /httpSink\(\): /)(error) && !/s3cr3t/.test(String(error)),
      );
    }
    const writer = await open<number>({ headers: () => ({ 'x-token': 'a\ns3cr3t' }) });
    await writer.write([1]);
    await assert.rejects(
      async () => writer.prepare?.(1),
      (error) =>
        failsWith('SINK_FAILED', /headers: "x-token", or what/)(error) && !/s3cr3t/.test(String(error)),
    );
  });
});
