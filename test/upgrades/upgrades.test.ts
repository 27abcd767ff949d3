/**
 * The table of upgrades (fixtures/upgrades): of each, what `check` says is what is expected, and what it says is what
 * `restore` does: the same plan, the same refusal; and where it goes on, the new job's output shows what became of the
 * old one's state.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { CASES } from '../../fixtures/upgrades/cases/all.js';
import type { UpgradeCase } from '../../fixtures/upgrades/upgrade-case.js';
import { claimTarget } from '../../src/catalog/target-lock.js';
import { committedLines } from '../crash/harness.js';
import { checkByCommand } from './check-command.js';
import { OldArchives } from './old-archives.js';
import { Place } from './running-jobs.js';
import { check, restore, traces, type Upgrade } from './try-upgrade.js';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'tidemark-upgrades-')));
const place = new Place(folder);
const archives = new OldArchives(place);
after(() => {
  place.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Then `check` is the command itself, and `restore` plans anew. */
const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
/** A job that is none of ours. */
const OTHER = { job: 'other', name: 'other' };

for (const [theme, cases] of Object.entries(CASES)) {
  describe(theme, () => {
    for (const one of cases) test(one.name, { skip: one.long === true && !LONG }, () => tryOut(one));
  });
}

async function tryOut(one: UpgradeCase): Promise<void> {
  const upgrade = await prepared(one);
  const before = traces(place);

  const checked = await (LONG ? checkByCommand(place, upgrade) : check(place, upgrade));
  assert.deepEqual([...checked.plan].sort(), [...one.plan].sort(), checked.text);
  assert.equal(checked.code, one.code, checked.text);
  assert.equal(checked.exit, one.exit);
  for (const told of one.says ?? []) assert.match(checked.text, told);
  assert.deepEqual(traces(place), before, 'a check leaves nothing');

  const done = await restore(place, upgrade, LONG || looksCloser(one) ? undefined : checked.planned);
  if (one.refused === undefined) assert.deepEqual(done.plan, checked.plan, done.text);
  assert.equal(done.code, one.refused ?? checked.code, done.text);
  if (done.code !== undefined) assert.deepEqual(traces(place), before, 'what is refused leaves nothing');
  assert.equal(done.failed, one.fails);
  assert.deepEqual(sorted(done.prints), sorted(one.prints));
}

/** Whether `check` and `restore` look each in its own way, at values or targets; else the plan of both is one and the same. */
function looksCloser({ options, plan, refused }: UpgradeCase): boolean {
  return options?.all === true || refused !== undefined || plan.some((line) => line.startsWith('migrated'));
}

/** The archive of the old definition, and a folder to write to, in the state that the case wants it in. */
async function prepared(one: UpgradeCase): Promise<Upgrade> {
  const archive = await archives.of(one.old);
  const old = one.old.params?.['output'];
  if (old === undefined) return { one, archive, params: {}, written: [] };
  const output = `${old}-${one.name}`;
  const written = committedLines(join(folder, old));
  const upgrade = { one, archive, params: { output }, written };
  place.copyOutput(old, output);
  if (one.target === 'ahead') await restore(place, { ...upgrade, one: onceBefore(one) });
  if (one.target === 'taken') {
    const taken = claimTarget(join(folder, output), { ...OTHER, home: join(folder, 'other-home') });
    after(() => taken.release(true));
  }
  return upgrade;
}

/** Another job that is restored from the same archive. */
function onceBefore(one: UpgradeCase): UpgradeCase {
  return { ...one, name: `${one.name}-before`, options: { ...one.options, sinks: 'live' } };
}

function sorted(prints: readonly unknown[] | undefined): readonly string[] | undefined {
  return prints?.map((line) => JSON.stringify(line)).sort();
}
