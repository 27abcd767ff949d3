/** A job of `many-deeds.ts` in a home of its own, with what it must come to. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT } from '../../src/base/errors.js';
import type { Catalog } from '../../src/catalog/catalog.js';
import type { Doctor } from '../../src/cli/doctor-view.js';
import type { JobRow } from '../../src/job/status.js';
import { DeedsOracle } from './deeds-oracle.js';
import { SPLITS } from './definitions/deeds.js';
import { committedLines, difference, Sandbox } from './harness.js';
import { referredFiles, seeCheckpoint, segmentFiles, withCatalog } from './home-check.js';

const RATE = 3_000;
/** More than the disk backend's cache holds, of which a part changes between two checkpoints. */
const SHAPE = { keys: 1_000, pad: 2_500 };
const DEFINITION = 'test/crash/definitions/many-deeds.ts';

export class DeedsJob {
  readonly sandbox: Sandbox;
  readonly oracle = new DeedsOracle(SHAPE);
  readonly output: string;
  readonly limit: string;
  readonly record: string;
  readonly #flags: readonly string[];
  /** Lines that were committed when it was last looked. */
  #committed = 0;

  constructor(
    flags: readonly string[],
    throws: { readonly throws?: number; readonly within?: number } = {},
    sandbox = new Sandbox(),
  ) {
    this.sandbox = sandbox;
    this.output = sandbox.path('out');
    this.limit = sandbox.path('limit');
    this.record = sandbox.path('record');
    const paths = { limit: this.limit, output: this.output, record: this.record };
    const all = { rate: RATE, ...SHAPE, ...paths, ...throws };
    const given = Object.entries(all).flatMap(([name, value]) => ['--param', `${name}=${value}`]);
    this.#flags = [...flags, ...given];
  }

  get command(): readonly string[] {
    const options = ['--resume', '-p', '3', '--checkpoint-interval', '150ms', '--retain', '2'];
    return ['run', DEFINITION, ...options, ...this.#flags];
  }

  run(environment: Readonly<Record<string, string>> = {}) {
    return this.sandbox.start(this.command, environment);
  }

  look<T>(use: (catalog: Catalog) => T): T {
    return withCatalog(this.sandbox.home, use);
  }

  newest(): number {
    if (!existsSync(join(this.sandbox.home, 'catalog.db'))) return 0;
    return this.look((catalog) => catalog.lastCompleted(catalog.jobs({ all: true })[0]?.id ?? '')?.id ?? 0);
  }

  restarts(): number {
    if (!existsSync(join(this.sandbox.home, 'catalog.db'))) return 0;
    return this.look((catalog) => catalog.jobs({ all: true })[0]?.restarts ?? 0);
  }

  /** Whatever has happened: all is as the input up to the last checkpoint gives it. Nobody runs the job. */
  async check(what: string): Promise<void> {
    const seen = await this.look(async (catalog) => {
      assert.deepEqual(catalog.problems(), [], what);
      return await seeCheckpoint(catalog);
    });
    const lines = committedLines(this.output);
    assert.equal(new Set(lines).size, lines.length, `${what}: a committed line stands twice`);
    assert.ok(lines.length >= this.#committed, `${what}: committed lines are gone`);
    this.#committed = lines.length;
    if (seen === undefined) return assert.equal(lines.length, 0, what);
    this.oracle.advance(seen.positions);
    const { id, committedAt } = seen.record;
    assert.equal(
      difference(seen.entries, this.oracle.entries()),
      '',
      `${what}: the state of checkpoint ${id}`,
    );
    const foreign = lines.filter((line) => !this.oracle.lines.has(line));
    assert.deepEqual(foreign.slice(0, 3), [], `${what}: committed beyond checkpoint ${id}`);
    // Else its output is committed by who goes on.
    if (committedAt !== undefined) assert.equal(lines.length, this.oracle.lines.size, what);
  }

  /** Nothing is left of the dead, and what is needed is there. Nobody runs the job. */
  prune(what: string): void {
    assert.equal(this.sandbox.run(['prune']).code, EXIT.done, what);
    const { whole, unfinished } = segmentFiles(this.sandbox.home);
    assert.deepEqual(unfinished, [], what);
    assert.deepEqual(whole, this.look(referredFiles), what);
    const { ok, findings } = this.sandbox.json<Doctor>(['doctor', '--deep']);
    const left = findings.map(({ code }) => code).filter((code) => !/^(JOB_LOST|DISK_LOW)$/.test(code));
    assert.deepEqual({ ok, left }, { ok: true, left: [] }, what);
  }

  /** To the end of its input, which is a little beyond where it is. */
  async finish(): Promise<void> {
    const beyond = Math.max(0, ...this.oracle.positions) + 500;
    writeFileSync(this.limit, String(beyond * SPLITS));
    const { code, stdout, stderr } = await this.sandbox.start([...this.command, '--json']).finished;
    assert.equal(code, EXIT.done, stderr);
    assert.equal((JSON.parse(stdout) as JobRow).state, 'finished');
    this.oracle.advance(new Array<number>(SPLITS).fill(beyond));
    assert.equal(difference(committedLines(this.output), [...this.oracle.lines]), '');
  }
}
