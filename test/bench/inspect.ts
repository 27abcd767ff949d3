/** Whether looking into an archive costs more the larger it is: its summary, and one key. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Archive, openArchive } from '../../src/archive/read.js';
import { summarize } from '../../src/archive/summary.js';
import { keyGroupOf } from '../../src/base/key-groups.js';
import { realDisk } from '../../src/base/real-disk.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { ByteWriter } from '../../src/codec/writer.js';
import { BLOCK_BYTES } from '../../src/format/archive-layout.js';
import { ArchivedJob } from './archived-job.js';
import { type Figure, median, type Row } from './figure.js';
import { keyNamed } from './jobs/keys.js';
import { sharedNow } from './measured-job.js';

const SMALL = 10_000;
const MIDDLE = 100_000;
const LARGE = 1_000_000;
const GROUPS = 128;
const ROUNDS = 101;
const QUICK_ROUNDS = 31;
const WARM_UP_ROUNDS = 20;
const KIB = 1024;
/** Neither grows, but for what one block holds and the noise of a clock. */
const MOST_TIME = 1.5;
const MOST_KIB = BLOCK_BYTES / KIB;

interface Look {
  readonly ms: number;
  readonly bytes: number;
}

type Act = (archive: Archive, key: string) => Promise<unknown>;

export const inspect: Row = {
  name: 'inspect',
  about: 'the summary and one key of archives of 10,000, 100,000 and 1,000,000 keys: bytes read and time',
  async measure({ quick, progress }) {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
    try {
      for (const keys of [SMALL, MIDDLE, LARGE]) {
        progress(`saving ${keys} keys`);
        await save(keys, fileOf(folder, keys));
      }
      progress('looking');
      const rounds = quick ? QUICK_ROUNDS : ROUNDS;
      return [
        ...figures('summary', await looks(folder, rounds, summarize)),
        ...figures('one key', await looks(folder, rounds, findKey)),
      ];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function save(keys: number, path: string): Promise<void> {
  const job = await ArchivedJob.start(keys);
  try {
    await job.savepoint();
    copyFileSync(job.archive, path);
  } finally {
    await job.remove();
  }
}

const findKey: Act = async (archive, key) => {
  const codec = keyCodecById('auto');
  const out = new ByteWriter(64);
  codec.write(key, out);
  const table = archive.manifest.tables.findIndex(({ name }) => name === 'seen');
  const [found] = await archive.find(table, keyGroupOf(codec.hash(key), GROUPS), out.copy());
  if (found === undefined) throw new Error(`${key} is not there`);
};

/** By number of keys, in turns. */
async function looks(folder: string, rounds: number, act: Act): Promise<ReadonlyMap<number, Look[]>> {
  const all = new Map<number, Look[]>([SMALL, MIDDLE, LARGE].map((keys) => [keys, []]));
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    for (const [keys, own] of all) {
      const key = keyNamed((round + WARM_UP_ROUNDS) * 61, keys);
      const from = sharedNow();
      const archive = await openArchive(realDisk, fileOf(folder, keys));
      await act(archive, key);
      const look = { ms: sharedNow() - from, bytes: archive.bytesRead };
      await archive.close();
      if (round >= 0) own.push(look);
    }
  }
  return all;
}

function figures(what: string, all: ReadonlyMap<number, readonly Look[]>): readonly Figure[] {
  const [small, middle, large] = [SMALL, MIDDLE, LARGE].map((keys) => all.get(keys) ?? []) as [
    readonly Look[],
    readonly Look[],
    readonly Look[],
  ];
  const ms = (looks: readonly Look[]) => median(looks.map((look) => look.ms));
  const kib = (looks: readonly Look[]) => median(looks.map((look) => look.bytes)) / KIB;
  const most = (looks: readonly Look[]) => Math.max(...looks.map((look) => look.bytes)) / KIB;
  const sides = (of: (looks: readonly Look[]) => number) => ({
    ours: { what: `of ${LARGE.toLocaleString('en')} keys`, value: of(large) },
    other: { what: `of ${SMALL.toLocaleString('en')} keys`, value: of(small) },
  });
  return [
    {
      name: `inspect, ${what}: bytes read`,
      unit: 'KiB',
      ...sides(most),
      compared: 'ours - other',
      value: most(large) - most(small),
      target: { kind: 'at most', value: MOST_KIB },
      notes: [
        `the most of ${large.length} looks; medians ${kib(large).toFixed(1)} and ${kib(small).toFixed(1)}; of ${MIDDLE.toLocaleString('en')} keys ${kib(middle).toFixed(1)}, at most ${most(middle).toFixed(1)}`,
        'a small archive has less than one whole block a key group: what one more block takes is no growth',
      ],
    },
    {
      name: `inspect, ${what}: time`,
      unit: 'ms',
      ...sides(ms),
      compared: 'ours / other',
      value: ms(large) / ms(small),
      target: { kind: 'at most', value: MOST_TIME },
      notes: [
        `medians of ${large.length} looks each, in turns; of ${MIDDLE.toLocaleString('en')} keys ${ms(middle).toFixed(2)}`,
      ],
    },
  ];
}

function fileOf(folder: string, keys: number): string {
  return join(folder, `${keys}.savepoint.tar`);
}
