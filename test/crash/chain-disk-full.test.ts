/**
 * No space left while deltas are written and merged. Whether the job goes on or ends with a coded error, nothing is
 * lost; with space again it goes on to the same end. See disk-full.test.ts for the file system.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { EXIT, systemCode } from '../../src/base/errors.js';
import { DeedsJob } from './deeds-job.js';
import { errorOf, eventually, Sandbox } from './harness.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';

const MEMORY = ['--backend', 'memory', '--checkpoint-mode', 'incremental'];
const DISK = ['--backend', 'disk', '--cache', '4m'];
/** Nothing is left free, so that deltas fail, or enough for some of them and not for a merge. */
const NOTHING = 0;
const A_LITTLE = 1_500_000;
/** The part of it that is left at the next look. */
const LESS = 0.8;

interface Case {
  readonly name: string;
  readonly flags: readonly string[];
  /** Bytes left free. */
  readonly left: number;
}

const CASES: readonly Case[] = [
  { name: 'memory, under a merge', flags: MEMORY, left: A_LITTLE },
  { name: 'disk, under a delta', flags: DISK, left: NOTHING },
];
const ONLY_LONG: readonly Case[] = [
  { name: 'memory, under a delta', flags: MEMORY, left: NOTHING },
  { name: 'disk, under a merge', flags: DISK, left: A_LITTLE },
];

/** A file system of its own, with a home in it. */
class SmallDisk {
  readonly sandbox = new Sandbox('small/home');
  readonly folder = this.sandbox.path('small');
  readonly mounted: boolean;

  constructor() {
    mkdirSync(this.folder);
    const mount = ['-t', 'tmpfs', '-o', 'size=32m,mode=0700', 'tidemark-test', this.folder];
    this.mounted = spawnSync('mount', mount).status === 0;
  }

  /** Takes all the space there is but `left` bytes. */
  fill(left: number): void {
    const ballast = openSync(join(this.folder, 'ballast'), 'a');
    const block = Buffer.alloc(statfsSync(this.folder).bsize);
    try {
      while (this.#free() > left) writeSync(ballast, block);
    } catch (error) {
      assert.equal(systemCode(error), 'ENOSPC');
    } finally {
      closeSync(ballast);
    }
  }

  free(): void {
    rmSync(join(this.folder, 'ballast'));
  }

  remove(): void {
    if (this.mounted) spawnSync('umount', ['-l', this.folder]);
    this.sandbox.remove();
  }

  #free(): number {
    const { bavail, bsize } = statfsSync(this.folder);
    return bavail * bsize;
  }
}

describe('a disk that fills up under deltas and merges', { concurrency: 2 }, () => {
  for (const { name, flags, left } of [...CASES, ...(LONG ? ONLY_LONG : [])]) {
    test(name, async (context) => {
      const disk = new SmallDisk();
      after(() => disk.remove());
      if (!disk.mounted) return context.skip('no file system can be mounted here');
      const deeds = new DeedsJob([...flags, '--restart', 'fixed-delay:20ms:2', '--json'], {}, disk.sandbox);
      const running = deeds.run();
      await running.says(/ runs from the beginning/);
      await eventually('some checkpoints', () => deeds.newest() > 12);
      disk.fill(left);
      const log = () => disk.sandbox.run(['logs', 'many-deeds']).stdout;
      // Deltas and merges race for what is left: which of them is refused first is not for sure, nor that any is, for
      // merges give space back. So less and less is left.
      const ended = () => running.process.exitCode !== null;
      let still = left;
      await eventually('something is refused', () => {
        if (ended() || / failed/.test(log())) return true;
        still = Math.floor(still * LESS);
        disk.fill(still);
        return false;
      });
      if (left === NOTHING) await running.finished;
      disk.free();
      if (!ended()) {
        const before = deeds.newest();
        await eventually('another checkpoint', () => ended() || deeds.newest() > before);
        running.process.kill('SIGTERM');
      }
      const finished = await running.finished;
      if (left === NOTHING || finished.code !== EXIT.sigterm) {
        const { code, message } = errorOf(finished);
        assert.match(code, /^(DISK_FULL|DISK_ERROR)$/, message);
        assert.equal(finished.code, EXIT.environment, message);
      }
      await deeds.check(log());
      deeds.prune('after the disk was full');
      await deeds.finish();
      deeds.prune('finished');
    });
  }
});
