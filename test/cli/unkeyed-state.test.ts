/** Broadcast state and the state of a sink as people meet them: real processes of bin/tidemark. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { StatusDocument } from '../../src/job/status.js';
import { countedTo, type Entry, Place } from './place.js';

/** A sink that keeps every number in its state: what it holds must be exactly what was read. */
const DEFINITION = `
  import { defineJob, defineSink, fromArray, sequence, state, type } from 'tidemark';
  const keeping = defineSink({
    state: { kept: state.operatorList(), last: state.operatorUnion() },
    open: ({ state }) => ({
      write(numbers) {
        for (const n of numbers) state.kept.add(n);
        state.last.set(numbers.slice(-1));
      },
    }),
  });
  export default defineJob('keeping', { params: {} }, (job) => {
    const rules = job.source('rules', fromArray([['even', 0], ['odd', 1]]));
    job
      .source('numbers', sequence({ rate: 2000 }))
      .keyBy((n) => n % 5)
      .connect(rules.broadcast())
      .process('match', {
        broadcast: { rules: state.broadcast() },
        emits: type(),
        onBroadcast([name, rest], ctx) {
          ctx.broadcast.rules.set(name, { rest });
        },
        onElement(n, ctx) {
          ctx.emit(n);
        },
      })
      .sink('out', keeping);
  });`;

type Summary = Parameters<typeof countedTo>[0];

describe('state that belongs to no key', () => {
  const place = new Place();
  before(async () => {
    await place.make();
    await writeFile(place.path('keeping.ts'), DEFINITION);
  });
  after(() => place.remove());

  /** What the archive has of the sink's state is what was read up to its position; by subtask, how many. */
  async function assertKept(archive: string): Promise<readonly number[]> {
    const done = countedTo(await place.json<Summary>('inspect', archive));
    const entries = await place.rows<Entry>('inspect', archive, '--state', 'out.kept');
    const kept = entries.map(({ value }) => Number(value)).sort((a, b) => a - b);
    assert.deepEqual(
      kept,
      Array.from({ length: done }, (_, n) => n),
    );
    const counts: number[] = [];
    for (const { key } of entries) {
      const [subtask] = key as readonly number[];
      counts[subtask ?? -1] = (counts[subtask ?? -1] ?? 0) + 1;
    }
    return counts;
  }

  it('is in a savepoint, shown by inspect, and restored at another parallelism and on another backend', async () => {
    const often = ['--checkpoint-interval', '100ms'];
    await place.json('run', 'keeping.ts', '-d', '--parallelism', '3', ...often);
    await place.json('stop', 'keeping', '-o', 'three.tar');
    assert.equal((await assertKept('three.tar')).length, 3);
    const rules = await place.rows<Entry>('inspect', 'three.tar', '--state', 'match.rules');
    assert.deepEqual(
      rules.map(({ key, mapKey, keyGroup, value }) => ({ key, mapKey, keyGroup, value })),
      [
        { key: null, mapKey: 'odd', keyGroup: null, value: { rest: 1 } },
        { key: null, mapKey: 'even', keyGroup: null, value: { rest: 0 } },
      ],
    );

    const on = ['--name', 'again', '--parallelism', '2', '--backend', 'disk'];
    await place.json('restore', 'three.tar', '-d', ...on, ...often);
    // Out of a checkpoint of its own, too: what came after it is lost, and read again.
    const { pid } = await place.json<StatusDocument>('status', 'again');
    assert.ok(pid !== null);
    await place.json('checkpoint', 'again');
    process.kill(pid, 'SIGKILL');
    await place.json('resume', 'again');
    await place.json('stop', 'again', '-o', 'two.tar');
    assert.equal((await assertKept('two.tar')).length, 2);
    assert.deepEqual(await place.rows<Entry>('inspect', 'two.tar', '--state', 'match.rules'), rules);
  });
});
