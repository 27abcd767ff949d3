/** State that is larger than memory, in a process that has little. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** 80 MB of state; 120 with `TIDEMARK_TEST_LONG=1`. */
const KEYS = process.env['TIDEMARK_TEST_LONG'] === '1' ? 120_000 : 80_000;
const VALUE_BYTES = 1000;
const MIB = 1024 * 1024;
const CACHE_BYTES = 16 * MIB;
/** What the test itself takes while it sorts and merges: buffers of strings, of chunks, garbage of the moment. */
const BESIDE = 8 * MIB;
const HEAP_MIB = 64;

it('keeps the heap to about the cache, however much state there is', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-heap-'));
  try {
    const script = fileURLToPath(new URL('./disk-heap.js', import.meta.url));
    const flags = ['--expose-gc', `--max-old-space-size=${HEAP_MIB}`];
    const args = [...flags, script, folder, String(KEYS), String(VALUE_BYTES), String(CACHE_BYTES)];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const { grown, entries, cached } = JSON.parse(stdout);
    assert.equal(entries, KEYS);
    assert.ok(grown < CACHE_BYTES + BESIDE, `the heap grew by ${grown} bytes`);
    assert.ok(
      cached.bytes <= CACHE_BYTES && cached.rows > 5000,
      `${cached.rows} rows in ${cached.bytes} bytes`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
