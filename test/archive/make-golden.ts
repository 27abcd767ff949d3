/** Makes the golden archives that are missing, and adds their hashes to `SHA256SUMS` beside them. See golden.ts. */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { realDisk } from '../../src/base/real-disk.js';
import { GOLDEN, GOLDEN_FOLDER, goldenPath } from './golden.js';

mkdirSync(GOLDEN_FOLDER, { recursive: true });
const folder = mkdtempSync(join(tmpdir(), 'tidemark-golden-'));
for (const [name, make] of Object.entries(GOLDEN)) {
  const path = goldenPath(name);
  if (existsSync(path)) continue;
  await make(realDisk, folder, path);
  const hash = createHash('sha256').update(readFileSync(path)).digest('hex');
  appendFileSync(join(GOLDEN_FOLDER, 'SHA256SUMS'), `${hash}  ${name}\n`);
}
rmSync(folder, { recursive: true });
