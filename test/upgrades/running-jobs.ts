/** Jobs of the upgrade cases that really run: in this process, with a data thread, a home and a catalog. */
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.js';
import { type HomePaths, homePaths } from '../../src/base/home.js';
import { systemRandom } from '../../src/base/random.js';
import { realDisk } from '../../src/base/real-disk.js';
import { Catalog } from '../../src/catalog/catalog.js';
import type { JobRecord } from '../../src/catalog/records.js';
import { externalize } from '../../src/job/externalize.js';
import { prepareJob } from '../../src/job/prepare.js';
import { cancelOffline, Runner } from '../../src/job/runner.js';
import { committedLines, PROJECT } from '../crash/harness.js';

/** Orders that a native archive has seen. */
const SEEN = 4;

export interface Ran {
  readonly job: JobRecord;
  /** What it printed, line by line. */
  readonly printed: readonly string[];
}

/** A home, and a folder where its jobs run. */
export class Place {
  readonly folder: string;
  readonly home: HomePaths;
  readonly catalog: Catalog;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    this.home = homePaths(join(folder, 'home'));
    this.catalog = Catalog.open(this.home, { create: true, clock: systemClock, random: systemRandom });
  }

  static definition(file: string): string {
    return join(PROJECT, 'fixtures/upgrades', `${file}.ts`);
  }

  /** To its end, or until `enough` says so of its lines: then it is suspended. */
  async run(job: JobRecord, enough?: (lines: readonly string[]) => boolean): Promise<Ran> {
    let printed = '';
    const lines = () => printed.split('\n').filter((line) => line !== '');
    let runner: Runner | undefined;
    const look = () => {
      if (enough?.(lines()) === true) runner?.suspend('suspend');
    };
    runner = await Runner.start({
      home: this.home,
      catalog: this.catalog,
      job: job.id,
      environment: {},
      async stdout(text) {
        printed += text;
        look();
      },
      onEvent: ({ type }) => {
        if (type === 'checkpoint') look();
      },
    });
    return { job: await runner.ended, printed: lines() };
  }

  /** A native archive of a job that has seen four orders, and is canceled then. */
  async nativeArchive(
    file: string,
    params: Readonly<Record<string, string>>,
    mode: 'full' | 'incremental',
    path: string,
  ): Promise<void> {
    const output = params['output'] ?? '';
    const job = await prepareJob(this.home, this.catalog, {
      definition: Place.definition(file),
      params: { ...params, input: String(SEEN) },
      flags: { checkpointMode: mode, checkpointInterval: '20ms', parallelism: '2' },
      cwd: this.folder,
      environment: {},
    });
    const seen = (lines: readonly string[]) =>
      lines.length + (output === '' ? 0 : committedLines(join(this.folder, output)).length);
    const { job: suspended } = await this.run(job, (lines) => seen(lines) === SEEN);
    await externalize({
      catalog: this.catalog,
      disk: realDisk,
      clock: systemClock,
      job: suspended,
      checkpoint: undefined,
      destination: { output: path, force: false },
      reason: undefined,
      patience: 10_000,
      signal: new AbortController().signal,
      onProgress: () => undefined,
    });
    const nobody = { stdout: async () => undefined, onEvent: () => undefined };
    await cancelOffline({
      home: this.home,
      catalog: this.catalog,
      job: suspended.id,
      environment: {},
      ...nobody,
    });
  }

  /** A folder as the old job left it, for one case to write on in. */
  copyOutput(from: string, to: string): void {
    if (existsSync(join(this.folder, from)))
      cpSync(join(this.folder, from), join(this.folder, to), { recursive: true });
  }

  close(): void {
    this.catalog.close();
  }
}
