/** How long it takes until a job with 1,000,000 keys runs again, against a bare loop over the same segment. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { systemClock } from '../../src/base/clock.js';
import { realDisk } from '../../src/base/real-disk.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { ByteReader } from '../../src/codec/reader.js';
import { valueCodec } from '../../src/codec/value.js';
import { readEntry } from '../../src/format/entry.js';
import { SegmentReader } from '../../src/format/segment.js';
import type { SettingsFlags } from '../../src/graph/resolve-settings.js';
import { type Figure, median, type Row, type RowOptions, spread } from './figure.js';
import { MeasuredJob, sharedNow } from './measured-job.js';

const KEYS = 1_000_000;
const PAIRS = 5;
const QUICK_PAIRS = 2;

export const recovery: Row = {
  name: 'recovery',
  about: 'recovering 1,000,000 keys from a checkpoint, against a bare loop that decodes them into Maps',
  async measure(options) {
    return [
      await recover({ value: 'number', flags: {}, what: 'number state' }, options),
      await recover({ value: 'object', flags: {}, what: 'object state' }, options),
      await recover(
        {
          value: 'number',
          flags: { checkpointMode: 'incremental' },
          what: 'number state, a chain of segments',
        },
        options,
      ),
      await recover(
        { value: 'number', flags: { backend: 'disk' }, what: 'number state, on disk in place' },
        options,
      ),
    ];
  },
};

interface Kind {
  readonly value: 'number' | 'object';
  readonly flags: SettingsFlags;
  readonly what: string;
}

async function recover({ value, flags, what }: Kind, { quick, progress }: RowOptions): Promise<Figure> {
  const params = { keys: String(KEYS), value };
  const job = new MeasuredJob({ definition: 'count-stream.ts', params, flags });
  try {
    progress(`${what}, filling`);
    await job.start();
    await job.reach(KEYS);
    await job.suspend();
    const pairs: { ours: number; bare: number }[] = [];
    const count = quick ? QUICK_PAIRS : PAIRS;
    while (pairs.length < count) {
      progress(`${what}, pair ${pairs.length + 1} of ${count}`);
      const bare = await readBare(job);
      const ours = await job.start();
      await systemClock.sleep(100);
      await job.suspend();
      pairs.push({ ours, bare });
    }
    const ratios = pairs.map(({ ours, bare }) => ours / bare);
    return {
      name: `recovery of ${KEYS.toLocaleString('en')} keys of ${what}`,
      unit: 'ms',
      ours: { what: 'from the attempt to its first step', value: median(pairs.map(({ ours }) => ours)) },
      other: {
        what: 'bare: read, hash, decode, put into Maps',
        value: median(pairs.map(({ bare }) => bare)),
      },
      compared: 'ours / other',
      value: median(ratios),
      notes: [`median of ${pairs.length} alternating pairs, ${spread(ratios)}`],
    };
  } finally {
    job.remove();
  }
}

async function readBare(job: MeasuredJob): Promise<number> {
  const keys = keyCodecById('auto');
  const from = sharedNow();
  const groups: Map<unknown, unknown>[] = [];
  for (const name of job.lastCheckpoint()?.segments ?? []) {
    createHash('sha256')
      .update(readFileSync(job.home.segment(name)))
      .digest();
    const reader = await SegmentReader.open(realDisk, job.home.segments, name);
    for await (const { payload, entries } of reader.blocks()) {
      const bytes = new ByteReader(payload);
      for (let i = 0; i < entries; i++) {
        const entry = readEntry(bytes);
        const group = groups[entry.group] ?? new Map<unknown, unknown>();
        groups[entry.group] = group;
        group.set(keys.read(new ByteReader(entry.key)), valueCodec.read(new ByteReader(entry.value)));
      }
    }
    await reader.close();
  }
  return sharedNow() - from;
}
