/** gallery/cdc: what is in the target is what SQL says of the source, after a crash and a `kill -9`. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import cdc from '../../fixtures/jobs/gallery/cdc.js';
import { Sqlite } from '../../src/sqlite/sqlite.js';
import { testJob } from '../../src/testing.js';
import { eventually, PROJECT, Sandbox } from '../crash/harness.js';

/** Lines of the flights that the source begins with. */
const FLIGHTS = 3_000;
const READS = "readfile('fixtures/inputs/flights-20k.jsonl')";
const DAY = script('cdc-day.sql');

function script(name: string): string {
  return readFileSync(join(PROJECT, 'fixtures/gallery', name), 'utf8');
}

function open(path: string): Sqlite {
  return Sqlite.open(path, { create: true, busyTimeout: 10_000, what: 'source' });
}

/** As the script makes it by the command `sqlite3`, which alone has `readfile`. */
function makeSource(path: string): Sqlite {
  const flights = readFileSync(join(PROJECT, 'fixtures/inputs/flights-20k.jsonl'), 'utf8');
  const some = flights.split('\n').slice(0, FLIGHTS).join('\n').replaceAll("'", "''");
  const source = open(path);
  assert.ok(script('cdc-source.sql').includes(READS));
  source.exec(script('cdc-source.sql').replace(READS, () => `'${some}'`));
  return source;
}

/** The tables as they should be, by the source alone. */
function expected(source: Sqlite) {
  return {
    flights: source.all('select id, date, origin, destination, delay from flights order by id'),
    airports: source.all(
      'select origin, count(*) flights, sum(delay) delay from flights group by origin order by origin',
    ),
  };
}

/** The tables as they are; undefined before there are any. */
function tablesOf(path: string) {
  if (!existsSync(path)) return undefined;
  const target = open(path);
  try {
    const tables = target.get("select count(*) n from sqlite_schema where name in ('flights', 'airports')");
    if (tables?.['n'] !== 2) return undefined;
    return {
      flights: target.all('select * from flights order by id'),
      airports: target.all('select * from airports order by origin'),
    };
  } finally {
    target.close();
  }
}

function agrees(target: string, source: Sqlite): boolean {
  const [there, here] = [
    tablesOf(target)?.flights.length,
    source.get('select count(*) n from flights')?.['n'],
  ];
  return there === here && isDeepStrictEqual(tablesOf(target), expected(source));
}

/** The tables as what reaches the sinks makes them. */
function upserted(flights: readonly unknown[], airports: readonly unknown[]) {
  const byId = new Map<number, object>();
  for (const change of flights) {
    const { op, ...row } = change as { readonly op: string; readonly id: number };
    if (op === 'put') byId.set(row.id, row);
    else byId.delete(row.id);
  }
  const byOrigin = new Map<string, object>();
  for (const change of airports) {
    const row = change as { readonly origin: string; readonly flights: number };
    if (row.flights > 0) byOrigin.set(row.origin, row);
    else byOrigin.delete(row.origin);
  }
  const sorted = <K>(rows: ReadonlyMap<K, object>) =>
    [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  return { flights: sorted(byId), airports: sorted(byOrigin) };
}

test('the changes of a table, a crash between them, on with another parallelism', async () => {
  const sandbox = new Sandbox();
  after(() => sandbox.remove());
  const source = makeSource(sandbox.path('source.db'));
  const params = { source: sandbox.path('source.db'), target: sandbox.path('none.db'), rate: '1000000' };
  const first = await testJob(cdc, { params, parallelism: 3 });
  for (let done = 0; done < 3; ) {
    if (await first.step()) done++;
    else first.clock.advance('20ms');
  }
  const snapshot = await first.snapshot();
  const committed = (['flights', 'airports'] as const).map((sink) => [...first.output(sink)]);
  await first.close();
  assert.ok((committed[0]?.length ?? FLIGHTS) < FLIGHTS, 'it crashes on its way');

  const next = await testJob(cdc, { params, restore: snapshot, parallelism: 7 });
  const [flights = [], airports = []] = committed;
  const now = () =>
    upserted([...flights, ...next.output('flights')], [...airports, ...next.output('airports')]);
  const catchUp = async (work: string) => {
    source.exec(work);
    const { n } = source.get('select max(seq) n from changes') ?? {};
    while (flights.length + next.output('flights').length < Number(n)) await next.advance('20ms');
    assert.deepEqual(now(), expected(source));
  };
  await catchUp('');
  await catchUp(DAY);
  await catchUp("delete from flights where origin <> 'ATL'");
  assert.equal(now().airports.length, 1);
  await next.close();
  source.close();
});

test('as a process, killed while the source changes: both sides agree', async () => {
  const sandbox = new Sandbox();
  after(() => sandbox.remove());
  const source = makeSource(sandbox.path('source.db'));
  const paths = { source: sandbox.path('source.db'), target: sandbox.path('target.db') };
  const params = Object.entries({ ...paths, rate: 2_000 }).flatMap(([name, value]) => [
    '--param',
    `${name}=${value}`,
  ]);
  const job = sandbox.start([
    'run',
    'fixtures/jobs/gallery/cdc.ts',
    '--checkpoint-interval',
    '50ms',
    ...params,
  ]);
  await eventually('rows in the target', () => (tablesOf(paths.target)?.flights.length ?? 0) > 0);
  source.exec(DAY);
  job.process.kill('SIGKILL');
  assert.equal((await job.finished).signal, 'SIGKILL');
  assert.ok(!agrees(paths.target, source), 'it was killed on its way');

  const resumed = sandbox.run(['resume', 'cdc']);
  assert.equal(resumed.code, 0, resumed.stderr);
  await eventually('both sides agree', () => agrees(paths.target, source));
  assert.deepEqual(tablesOf(paths.target), expected(source));
  source.close();
});
