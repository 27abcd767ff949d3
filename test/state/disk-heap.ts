/**
 * Run as a process of its own by disk-heap.test.ts: writes much more state than the cache and the heap take, reads it
 * back, and says what the heap took most. Arguments: folder, keys, bytes of a value, bytes of the cache.
 */
import assert from 'node:assert/strict';
import type { ValueHandle } from '../../src/state/backend.js';
import { DiskRuns } from './disk-runs.js';

/** Prime to the number of keys: reads them in an order that no cache likes. */
const STRIDE = 7919;
const LOOKS = 20;

const [folder = '', ...numbers] = process.argv.slice(2);
const [keys = 0, valueBytes = 0, cacheBytes = 0] = numbers.map(Number);
const store = new DiskRuns(folder, cacheBytes, [{ kind: 'value', initial: undefined }]);
const value = store.backend.state(0) as ValueHandle<{ n: number; text: string }>;
const text = (n: number): string => `${n} `.padEnd(valueBytes, 'x');

let most = 0;
const look = (): void => {
  globalThis.gc?.();
  most = Math.max(most, process.memoryUsage().heapUsed);
};

look();
const before = most;
for (let n = 0; n < keys; n++) {
  store.select(`key ${n}`);
  value.set({ n, text: text(n) });
  if (store.state.wantsFlush) await store.flush();
  if (n % Math.floor(keys / LOOKS) === 0) look();
}
await store.flush();
for (let i = 0; i < keys; i++) {
  const n = (i * STRIDE) % keys;
  store.select(`key ${n}`);
  const found = value.get();
  assert.ok(found.n === n && found.text.length === valueBytes && found.text.startsWith(`${n} `));
  if (i % Math.floor(keys / LOOKS) === 0) look();
}
const { cached } = store.state;
const entries = store.backend.counts()[0]?.entries;
store.state.close();
process.stdout.write(JSON.stringify({ grown: most - before, entries, cached }));
