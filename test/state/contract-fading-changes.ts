/** What a drain of changes holds of state that expires: when that is forgotten, and when it needs a tombstone. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Entry } from '../../src/format/entry.js';
import { fadingLines, fillFading } from './contract-fading.js';
import {
  AFTER,
  adopt,
  entryOf,
  keyBytes,
  lines,
  Recording,
  type Setup,
  type Subject,
  snapshot,
  subject,
  TABLES,
  tombstoneLine,
  valueBytes,
} from './harness.js';

/** Later than anything that is set lives. */
const LONG = 1000;

function changes(of: Subject, kept = true): string[] {
  const recording = new Recording(of);
  const drained = lines(recording.drained());
  recording.settle(kept);
  return drained;
}

/** Of key k, as written when entries lived longer. */
function oldEntries(): Entry[] {
  const more = { stamp: BigInt(LONG) };
  return [
    entryOf(TABLES.fading, 'k', undefined, valueBytes('old'), more),
    entryOf(TABLES.fadingMap, 'k', keyBytes('m'), valueBytes('old'), more),
  ];
}

function adoptOld(of: Subject): void {
  for (const entry of oldEntries()) adopt(of, entry);
  of.select('k');
}

function setOld(of: Subject): void {
  of.fading[0].set('new');
  of.fadingMaps[0].set('m', 'new');
}

const TOMBSTONES = [
  tombstoneLine(TABLES.fading, 'k'),
  tombstoneLine(TABLES.fadingMap, 'k', keyBytes('m')),
].sort();

export function fadingChanges(setup: Setup): void {
  it('forgets what was kept and has expired, clean or not', () => {
    const s = subject(setup);
    s.select('k');
    fillFading(s, 1);
    assert.deepEqual(changes(s), fadingLines('k', 1, 0));
    s.time.now = 3;
    fillFading(s, 2);
    s.time.now = 3 + AFTER[0];
    assert.deepEqual(changes(s), []);
    assert.deepEqual(snapshot(s), []);
  });

  it('forgets what was never kept', () => {
    const s = subject(setup);
    s.select('k');
    fillFading(s, 1);
    s.time.now = AFTER[0];
    assert.deepEqual(changes(s), []);
  });

  it('writes a tombstone of what was taken out before its time', () => {
    const s = subject(setup);
    s.select('k');
    fillFading(s, 1);
    changes(s);
    for (const handle of [...s.fading, ...s.fadingMaps]) handle.clear();
    assert.deepEqual(
      changes(s),
      [
        ...TOMBSTONES,
        tombstoneLine(TABLES.fadingRead, 'k'),
        tombstoneLine(TABLES.fadingMapRead, 'k', keyBytes('m')),
      ].sort(),
    );
  });

  it('writes again what was renewed, once, and nothing else that was read', () => {
    const s = subject(setup);
    s.select('k');
    fillFading(s, 1);
    changes(s);
    const readAll = () => {
      for (const index of [0, 1] as const) {
        assert.equal(s.fading[index].get(), 1);
        assert.equal(s.fadingMaps[index].get('m'), 1);
        for (const [, value] of s.fadingMaps[index].entries()) assert.equal(value, 1);
      }
    };
    readAll();
    assert.deepEqual(changes(s), []);
    s.time.now = 2;
    readAll();
    readAll();
    const renewed = [
      entryOf(TABLES.fadingRead, 'k', undefined, valueBytes(1), { stamp: BigInt(2 + AFTER[1]) }),
      entryOf(TABLES.fadingMapRead, 'k', keyBytes('m'), valueBytes(1), { stamp: BigInt(2 + AFTER[1]) }),
    ];
    assert.deepEqual(changes(s), lines(renewed));
    readAll();
    assert.deepEqual(changes(s), []);
  });

  // Each ends with an entry that expires though a kept drain shows an older one for longer.
  const hidden: Record<string, (of: Subject) => void> = {
    'set for a shorter time': setOld,
    'taken out and set again': (of) => {
      of.fading[0].clear();
      of.fadingMaps[0].delete('m');
      setOld(of);
    },
    'cleared and set again': (of) => {
      of.fading[0].clear();
      of.fadingMaps[0].clear();
      setOld(of);
    },
    'set again while its tombstone is drained': (of) => {
      of.fading[0].clear();
      of.fadingMaps[0].delete('m');
      const recording = new Recording(of);
      setOld(of);
      recording.drain.abort();
    },
    'set in a drain that was lost': (of) => {
      setOld(of);
      changes(of, false);
    },
  };
  for (const [what, change] of Object.entries(hidden)) {
    it(`writes a tombstone of what expires and was ${what}`, () => {
      const s = subject(setup);
      adoptOld(s);
      change(s);
      s.time.now = AFTER[0];
      assert.equal(s.fading[0].get(), 'initial');
      assert.deepEqual(changes(s), TOMBSTONES);
      assert.deepEqual(changes(s), []);
      assert.deepEqual(snapshot(s), []);
    });
  }

  for (const kept of [true, false]) {
    it(`writes a tombstone of what expires and was written for longer by a drain that was ${kept ? 'kept' : 'lost'}`, () => {
      const s = subject(setup);
      for (const entry of oldEntries()) s.backend.restore(entry);
      assert.deepEqual(changes(s, kept), lines(oldEntries()));
      s.select('k');
      setOld(s);
      s.time.now = AFTER[0];
      // Of what was never kept, a tombstone is allowed.
      const written = changes(s);
      if (kept || written.length > 0) assert.deepEqual(written, TOMBSTONES);
      assert.deepEqual(snapshot(s), []);
    });
  }

  it('lets go in time of what is set for a shorter time, also after it was looked at for the first', () => {
    const s = subject(setup);
    adoptOld(s);
    s.time.now = AFTER[0] + 1;
    while (!s.backend.expire(1));
    setOld(s);
    s.time.now += AFTER[0];
    // Nothing asks for it: that it has expired must be known.
    assert.deepEqual(changes(s), TOMBSTONES);
    assert.deepEqual(snapshot(s), []);
  });

  it('needs no tombstone once what was kept for longer is over, too', () => {
    const s = subject(setup);
    adoptOld(s);
    s.time.now = LONG - 1;
    setOld(s);
    s.time.now = LONG - 1 + AFTER[0];
    assert.deepEqual(changes(s), []);
    assert.deepEqual(snapshot(s), []);
  });

  it('lets go of what is kept when its own time has come, not that of what is set now', () => {
    const s = subject(setup);
    adoptOld(s);
    s.time.now = LONG - 1;
    assert.equal(s.fading[0].get(), 'old');
    assert.equal(s.fadingMaps[0].get('m'), 'old');
    assert.deepEqual(changes(s), []);
    s.time.now = LONG;
    assert.equal(s.fading[0].get(), 'initial');
    assert.equal(s.fadingMaps[0].get('m'), undefined);
    assert.deepEqual(changes(s), []);
  });

  it('says that an entry expired while it was drained only if it must', () => {
    const s = subject(setup);
    s.select('k');
    fillFading(s, 1);
    const recording = new Recording(s);
    s.time.now = AFTER[0];
    while (!s.backend.expire(1));
    assert.deepEqual(lines(recording.drained()), fadingLines('k', 1, 0));
    recording.settle(true);
    assert.deepEqual(changes(s), []);
    assert.deepEqual(snapshot(s), []);
  });
}
