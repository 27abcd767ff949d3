/**
 * Which snapshots a `check --all` has held against which code, and found nothing: a restore of the same need not look at
 * every value again. One file each, `<home>/checks/<hash>`, named by what was checked.
 *
 * Invariants: a file is there only if the check had looked at everything; that one is gone costs a look and nothing else;
 * no more than MAX_KEPT are kept, the newest.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../base/errors.js';
import type { HomePaths } from '../base/home.js';
import { TOOL_VERSION } from './tool-version.js';

const FOLDER = 'checks';
/** Results that are kept, and how many more there may be before the oldest go. */
const MAX_KEPT = 256;

/** What decides how a check ends. */
export interface Checked {
  /** Of the snapshot; a checkpoint, which has none, is not remembered. */
  readonly digest: string;
  readonly bundle: string;
  readonly params: Readonly<Record<string, string>>;
  /** What was left behind by name, and so not looked at. */
  readonly drop: readonly string[];
}

export function hasPassed(home: HomePaths, checked: Checked): boolean {
  return checked.digest !== '' && existsSync(pathOf(home, checked));
}

/** Remembers that everything of a snapshot was looked at. Where that cannot be written, nothing is remembered. */
export function rememberPassed(home: HomePaths, checked: Checked): void {
  if (checked.digest === '') return;
  const folder = join(home.root, FOLDER);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(pathOf(home, checked), '', { mode: 0o600 });
    forgetOldest(folder);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
}

function forgetOldest(folder: string): void {
  const names = readdirSync(folder);
  if (names.length <= MAX_KEPT) return;
  const byAge = names
    .map((name) => ({ name, at: statSync(join(folder, name)).mtimeMs }))
    .sort((a, b) => a.at - b.at);
  for (const { name } of byAge.slice(0, names.length - MAX_KEPT)) rmSync(join(folder, name));
}

/** Other versions of tidemark may look closer. */
function pathOf(home: HomePaths, { digest, bundle, params, drop }: Checked): string {
  const sorted = Object.entries(params).sort(([a], [b]) => (a < b ? -1 : 1));
  const hash = createHash('sha256').update(
    JSON.stringify([TOOL_VERSION, digest, bundle, sorted, [...new Set(drop)].sort()]),
  );
  return join(home.root, FOLDER, hash.digest('hex'));
}
