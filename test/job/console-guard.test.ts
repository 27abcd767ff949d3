import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { guardOutput, OUTPUT_LIMITS, OutputGuard, type StreamName } from '../../src/job/console-guard.js';
import fc from '../helpers/property.js';

interface Sent {
  readonly stream: StreamName;
  readonly text: string;
  readonly dropped: number;
}

function guarded(limits = {}) {
  const sent: Sent[] = [];
  const time = { now: 0 };
  const guard = new OutputGuard(
    (stream, text, dropped) => sent.push({ stream, text, dropped }),
    { ...OUTPUT_LIMITS, ...limits },
    { monotonic: () => time.now },
  );
  const text = (stream: StreamName) =>
    sent
      .filter((part) => part.stream === stream && part.dropped === 0)
      .map((part) => part.text)
      .join('');
  return { guard, sent, time, text, dropped: () => sent.reduce((sum, part) => sum + part.dropped, 0) };
}

test('text within the bounds passes unchanged, in order, on its stream', () => {
  const { guard, sent } = guarded();
  guard.write('stdout', 'one\n');
  guard.write('stderr', 'two\nth');
  guard.write('stderr', 'ree\n');
  guard.write('stdout', Buffer.from('fünf\n').subarray(0, 2));
  guard.write('stdout', Buffer.from('fünf\n').subarray(2));
  assert.deepEqual(sent, []);
  guard.flush();
  assert.deepEqual(sent, [
    { stream: 'stdout', text: 'one\n', dropped: 0 },
    { stream: 'stderr', text: 'two\nthree\n', dropped: 0 },
    { stream: 'stdout', text: 'fünf\n', dropped: 0 },
  ]);
  guard.flush();
  assert.equal(sent.length, 3);
});

test('beyond the lines of a second the rest is counted in one notice', () => {
  const { guard, sent, time, text } = guarded({ linesPerSecond: 3 });
  for (let line = 0; line < 12_348; line++) guard.write('stdout', `${line}\n`);
  guard.flush();
  assert.equal(text('stdout'), '0\n1\n2\n');
  time.now = 1_000;
  guard.flush();
  assert.deepEqual(sent.at(-1), { stream: 'stderr', text: '… 12,345 lines dropped\n', dropped: 12_345 });
  guard.write('stdout', 'again\n');
  guard.close();
  assert.equal(text('stdout'), '0\n1\n2\nagain\n');
});

test('a longer line is cut, whether it comes at once or in pieces', () => {
  const { guard, text } = guarded({ lineChars: 4 });
  guard.write('stdout', '1234\n12345678\n12');
  for (const piece of ['3', '45', '6', '\n', 'ok\n']) guard.write('stdout', piece);
  guard.close();
  assert.equal(text('stdout'), '1234\n1234…\n1234…\nok\n');
});

test('a loop that never returns is held within memory and still heard', () => {
  const { guard, sent, time } = guarded();
  const line = `${'x'.repeat(100)}\n`;
  let largest = 0;
  for (let n = 0; n < 100_000; n++) {
    time.now += 0.1;
    guard.write('stdout', line);
    largest = Math.max(largest, sent.at(-1)?.text.length ?? 0);
  }
  // Ten seconds went by without a flush from outside.
  const passed = sent.reduce((sum, part) => sum + part.text.length, 0);
  assert.ok(passed > 9 * 1_000 * line.length && passed < 10.1 * 1_000 * line.length);
  assert.ok(largest <= 32 * 1024 + line.length);
});

test('every line is either sent or counted, however it is written', () => {
  const chunk = fc.record({
    stream: fc.constantFrom<StreamName>('stdout', 'stderr'),
    text: fc.stringMatching(/^[ab\n]{0,12}$/),
    after: fc.integer({ min: 0, max: 400 }),
  });
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 60 }), (chunks) => {
      const { guard, time, text, dropped } = guarded({ linesPerSecond: 4, charsPerSecond: 20, lineChars: 5 });
      const written = { stdout: '', stderr: '' };
      for (const { stream, text: part, after } of chunks) {
        time.now += after;
        guard.write(stream, part);
        written[stream] += part;
      }
      guard.close();
      let lines = 0;
      for (const stream of ['stdout', 'stderr'] as const) {
        lines +=
          written[stream].split('\n').length -
          (written[stream].endsWith('\n') || written[stream] === '' ? 1 : 0);
        const got = text(stream);
        lines -= got.split('\n').length - (got.endsWith('\n') || got === '' ? 1 : 0);
        for (const line of got.split('\n')) assert.ok(line.length <= 6);
      }
      assert.equal(dropped(), lines);
    }),
    { numRuns: 500 },
  );
});

test('write calls its callback later, takes encodings, and gives the stream back', async () => {
  const sent: string[] = [];
  const original = { write: () => assert.fail('the stream itself must not be written to') };
  const streams = { stdout: { ...original }, stderr: { ...original } };
  const before = streams.stdout.write;
  const output = guardOutput((_, text) => sent.push(text), OUTPUT_LIMITS, { monotonic: () => 0 }, streams);
  const stdout = streams.stdout as unknown as NodeJS.WritableStream;
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    assert.equal(
      stdout.write('6f6e65', 'hex', () => order.push('one')),
      true,
    );
    stdout.write('two', () => resolve());
    order.push('sync');
  });
  assert.deepEqual(order, ['sync', 'one']);
  output.close();
  assert.deepEqual(sent, ['onetwo']);
  assert.equal(streams.stdout.write, before);
});

/** Runs code in a thread behind the guard; what reaches its streams all the same is gathered apart. */
async function inThread(code: string) {
  const guardUrl = new URL('../../src/job/console-guard.js', import.meta.url).href;
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads');
     import(${JSON.stringify(guardUrl)}).then(({ guardOutput }) => {
       const output = guardOutput((stream, text, dropped) => parentPort.postMessage({ stream, text, dropped }));
       ${code}
       output.close();
     });`,
    { eval: true, stdout: true, stderr: true },
  );
  const sent: Sent[] = [];
  let leaked = '';
  for (const stream of [worker.stdout, worker.stderr]) stream.on('data', (data) => (leaked += String(data)));
  worker.on('message', (message: Sent) => sent.push(message));
  await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
  return { sent, leaked };
}

test('in a thread, console and process.stdout go through the guard', async () => {
  const { sent, leaked } = await inThread(`
    console.log('%s is %d', 'it', 1);
    console.error(new Error('shown').message);
    process.stdout.write('raw\\n');
    new console.Console(process.stdout).log('own console');
    console.table([{ a: 1 }]);
  `);
  const text = (stream: StreamName) =>
    sent
      .filter((part) => part.stream === stream)
      .map((part) => part.text)
      .join('');
  assert.match(text('stdout'), /^it is 1\nraw\nown console\n┌/);
  assert.equal(text('stderr'), 'shown\n');
  assert.equal(leaked, '');
});

test('in a thread, 200,000 lines at once cost bounded memory and are all accounted for', async () => {
  const { sent, leaked } = await inThread(`
    const before = process.memoryUsage().heapUsed;
    for (let n = 0; n < 200_000; n++) console.log('line ' + n);
    parentPort.postMessage({ stream: 'stdout', text: '', dropped: 0, grown: process.memoryUsage().heapUsed - before });
  `);
  const lines = sent
    .filter(({ dropped }) => dropped === 0)
    .reduce((sum, { text }) => sum + text.split('\n').length - 1, 0);
  const dropped = sent.reduce((sum, part) => sum + part.dropped, 0);
  assert.equal(lines + dropped, 200_000);
  assert.ok(lines >= OUTPUT_LIMITS.linesPerSecond);
  assert.equal(leaked, '');
  const grown = (sent.find((part) => 'grown' in part) as unknown as { grown: number }).grown;
  assert.ok(grown < 64 * 1024 * 1024, `grew by ${grown}`);
});
