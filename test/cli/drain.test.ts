/** `stop --drain`: event time is brought to its end, what waits for it fires, and only who knows that may go on. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import type { SubtaskMetrics } from '../../src/job/metrics.js';
import type { JobRow, StatusDocument } from '../../src/job/status.js';
import { committedLines } from '../crash/harness.js';
import { PACKAGE } from './command.js';
import { countedTo, Place, refused, type Saved } from './place.js';

const HOURLY = join(PACKAGE, 'test', 'crash', 'definitions', 'hourly.ts');
const KEYS = 10;
/** Each takes a process, a third of a second or so. */
const LOOKS = 30;

interface Summary {
  readonly archive: { readonly drained: boolean };
  readonly operators: readonly {
    readonly uid: string;
    readonly watermark: number | 'end' | null;
    readonly states: readonly { readonly name: string; readonly entries: number }[];
    readonly splits: readonly { readonly position: unknown; readonly timestamp: number | null }[];
  }[];
}

interface Row {
  readonly key: number;
  readonly start: number;
  readonly seen: number;
}

const place = new Place();
before(() => place.make());
after(() => place.remove());

async function start(name: string, backend: 'memory' | 'disk'): Promise<void> {
  const flags = ['--name', name, '--param', `output=${name}`, '--backend', backend];
  await place.json('run', HOURLY, ...flags, '--checkpoint-interval', '200ms', '-d');
  await place.json('wait', name, '--until', 'checkpoint');
}

/** Metrics come every second; what they say of the window once event time has begun there. */
async function withWatermark(name: string): Promise<SubtaskMetrics> {
  for (let look = 0; look < LOOKS; look++) {
    const { operators } = await place.json<StatusDocument>('status', name);
    const subtask = operators.find(({ uid }) => uid === 'hourly')?.subtasks[0];
    if (typeof subtask?.watermark === 'number') return subtask;
  }
  return assert.fail('event time never began');
}

async function results(name: string): Promise<readonly Row[]> {
  return (await committedLines(place.path(name))).map((line) => JSON.parse(line));
}

function seen(rows: readonly Row[]): number {
  return rows.reduce((sum, row) => sum + row.seen, 0);
}

for (const backend of ['memory', 'disk'] as const) {
  it(`fires open panes, keeps none, and says so (${backend})`, async () => {
    await start(backend, backend);
    const window = await withWatermark(backend);
    assert.equal(window.late, 0);
    assert.ok((window.lagMs ?? 0) > 0);
    await place.json<Saved>('stop', backend, '--drain', '-o', `${backend}.tar`);
    const summary = await place.json<Summary>('inspect', `${backend}.tar`);
    const hourly = summary.operators.find(({ uid }) => uid === 'hourly');
    assert.equal(summary.archive.drained, true);
    assert.equal(hourly?.watermark, 'end');
    assert.ok(hourly.states.every(({ entries }) => entries === 0));
    const greatest = summary.operators.flatMap(({ splits }) => splits.map(({ timestamp }) => timestamp ?? 0));
    assert.ok(greatest.length > 0 && greatest.every((timestamp) => timestamp > 0), 'splits have timestamps');
    const shown = new Date(Math.max(...greatest)).toISOString();
    for (const command of ['inspect', 'status']) {
      const { stdout: text } = await place.run(command, command === 'status' ? backend : `${backend}.tar`);
      assert.match(text, /SPLIT .*TIMESTAMP/);
      assert.ok(text.includes(shown), `${command} shows the timestamp ${shown}:\n${text}`);
    }
    const done = countedTo(summary);
    const rows = await results(backend);
    // Every element is in a pane, every pane was fired once: also the last ones, which were not full.
    assert.equal(seen(rows), done);
    assert.equal(new Set(rows.map(({ key, start }) => `${key} ${start}`)).size, rows.length);
    await refused(place, 6, 'DRAINED', 'restore', `${backend}.tar`);
  });
}

it('goes on with --after-drain from the event time its splits had come to, and nothing is late for it', async () => {
  const restored = ['--after-drain', '--name', 'again', '--param', 'count=20000', '-p', '3'];
  const row = await place.json<JobRow>('restore', 'memory.tar', ...restored);
  assert.equal(row.state, 'finished');
  const rows = await results('memory');
  assert.equal(seen(rows), 20_000);
  const last = rows.filter(({ start }) => start === 5 * 3_600_000);
  assert.equal(last.length, KEYS);
  const status = await place.json<StatusDocument>('status', 'again');
  const late = status.operators.flatMap(({ subtasks }) => subtasks.map((subtask) => subtask.late ?? 0));
  assert.equal(
    late.reduce((sum, one) => sum + one, 0),
    0,
  );
});
