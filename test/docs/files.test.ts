/** What docs/files.md and docs/http.md show, on a few elements; the jobs among it as processes. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { z } from 'zod';
import lateFlights from '../../fixtures/jobs/late-flights.js';
import { csv, defineJob, fileSink, files, httpSink, param, stdin } from '../../src/index.js';
import { testJob } from '../../src/testing.js';
import { COMMAND, environment, PACKAGE } from '../cli/command.js';
import { BatchServer } from '../connectors/http-server.js';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const FLIGHTS = join(PACKAGE, 'fixtures/inputs/flights-20k.jsonl');

interface Row {
  readonly origin: string;
  readonly delay: number;
}

test('late-flights keeps those that are late', async () => {
  const flight = { date: '2001/01/01 08:00', distance: 100, origin: 'ATL', destination: 'BOS' };
  const job = await testJob(lateFlights, {
    inputs: { flights: [10, 61, 60, 300].map((delay) => ({ ...flight, delay })) },
  });
  await job.run();
  assert.deepEqual(
    job.output('out').map((row) => (row as Row).delay),
    [61, 300],
  );
  await job.close();
});

test('late-flights reads compressed files, and what it writes unpacks to CSV of bounded size', () => {
  const lines = readFileSync(FLIGHTS, 'utf8').trimEnd().split('\n');
  mkdirSync(join(folder, 'logs'));
  writeFileSync(join(folder, 'logs/a.jsonl.gz'), gzipSync(`${lines.slice(0, 7000).join('\n')}\n`));
  writeFileSync(join(folder, 'logs/b.jsonl'), `${lines.slice(7000).join('\n')}\n`);
  const given = ['--param', `input=${folder}/logs/*`, '--param', `output=${folder}/late`];
  const args = [COMMAND, 'run', 'fixtures/jobs/late-flights.ts', '--home', join(folder, 'home'), ...given];
  const ran = spawnSync(process.execPath, args, { cwd: PACKAGE, env: environment(), encoding: 'utf8' });
  assert.equal(ran.status, 0, ran.stderr);
  const parts = readdirSync(join(folder, 'late')).filter((name) => name.startsWith('part-'));
  assert.ok(parts.length > 1 && parts.every((name) => name.endsWith('.csv.gz')), parts.join());
  const texts = parts.map((name) =>
    spawnSync('gzip', ['-dc', join(folder, 'late', name)], { encoding: 'utf8' }).stdout.trimEnd(),
  );
  const rows = texts.flatMap((text) => {
    assert.ok(text.length < 16 * 1024);
    const [header, ...rest] = text.split('\n');
    assert.equal(header, 'date,origin,destination,delay');
    return rest;
  });
  const expected = lines
    .map((line) => JSON.parse(line) as Row & { readonly date: string; readonly destination: string })
    .filter(({ delay }) => delay > 60)
    .map(({ date, origin, destination, delay }) => [date, origin, destination, delay].join(','));
  assert.deepEqual(rows.sort(), expected.sort());
});

test('origins counts what is piped to it', () => {
  const input = readFileSync(FLIGHTS, 'utf8').split('\n').slice(0, 100).join('\n');
  const args = [COMMAND, 'run', 'fixtures/jobs/origins.ts', '--home', join(folder, 'home'), '--quiet'];
  const ran = spawnSync(process.execPath, args, {
    cwd: PACKAGE,
    env: environment(),
    input,
    encoding: 'utf8',
  });
  assert.equal(ran.status, 0, ran.stderr);
  const seen = new Map<string, number>();
  const expected = input.split('\n').map((line) => {
    const { origin } = JSON.parse(line) as Row;
    seen.set(origin, (seen.get(origin) ?? 0) + 1);
    return JSON.stringify({ origin, seen: seen.get(origin) });
  });
  assert.deepEqual(ran.stdout.trimEnd().split('\n'), expected);
});

test('report-late sends batches with its token, through a server that fails now and then', async (t) => {
  const server = await BatchServer.start();
  t.after(() => server.close());
  server.deeds = ['ok', 503, 'lost', 429];
  const args = [COMMAND, 'run', 'fixtures/jobs/report-late.ts', '--home', join(folder, 'home'), '--quiet'];
  const env = environment({ REPORT_TOKEN: 'tok-123456' });
  const url = ['--param', `url=${server.origin}/late`];
  await promisify(execFile)(process.execPath, [...args, ...url], { cwd: PACKAGE, env });
  const lines = readFileSync(FLIGHTS, 'utf8').trimEnd().split('\n');
  const late = lines.map((line) => JSON.parse(line) as Row).filter(({ delay }) => delay > 120);
  assert.deepEqual(server.elements(), late);
  // One was taken, and its answer lost; `linger` may cut some more.
  assert.ok(server.taken.length > Math.ceil(late.length / 50));
  assert.ok(server.requests.every(({ headers }) => headers.authorization === 'Bearer tok-123456'));
});

test('what the pages show of options is typed as they say', () => {
  const Event = z.object({ id: z.string(), at: z.number() });
  const p = { folder: 'x', url: 'http://127.0.0.1:1/', token: 't' };
  const definition = defineJob('shown', { params: { folder: param.string('in') } }, (job) => {
    // What the elements are.
    const lines = job.source('log', files('/var/log/app/*.log'));
    const events = job.source('events', files('events/*.jsonl.gz', { format: 'json', schema: Event }));
    const rows = job.source('rates', files('rates.csv', { format: 'csv', delimiter: ';' }));
    // As they grow, across rotations.
    const growing = job.source('tail', files('/var/log/app.log*', { follow: true, pollInterval: '1s' }));
    // Standard input.
    const typed = job.source('typed', stdin({ format: 'json', schema: Event }));

    // JSON lines, or whatever a function makes of an element.
    lines.sink('json', fileSink('out/json'));
    events.sink('text', fileSink('out/text', { encode: (event) => `${event.id} ${event.at}` }));
    // CSV: the columns are properties of the element.
    typed.sink('csv', fileSink('out/csv', { format: csv({ columns: ['id', 'at'] }) }));
    // Compressed, in files of 64 MB at most, and none that holds more than a minute.
    growing.sink('parts', fileSink('out/parts', { gzip: true, part: { size: '64MB', every: '1m' } }));

    const toServer = httpSink<{ readonly [column: string]: string }>(p.url, {
      method: 'PUT',
      headers: () => ({ authorization: `Bearer ${process.env['TOKEN']}` }),
      encode: (rates) => rates.map((rate) => JSON.stringify(rate)).join('\n'),
      contentType: 'application/x-ndjson',
      batch: 500,
      linger: '5s',
      timeout: '10s',
      retries: { attempts: 8, delay: '100ms', factor: 2, most: '30s' },
    });
    rows.sink('rates-out', toServer);
  });
  assert.equal(definition.build({ folder: 'in' }).nodes.filter(({ kind }) => kind === 'sink').length, 5);
});
