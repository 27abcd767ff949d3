/** The table of upgrades as fixtures/upgrades/README.md shows it. `node dist/test/upgrades/table.js` writes it anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CASES } from '../../fixtures/upgrades/cases/all.js';
import type { UpgradeCase } from '../../fixtures/upgrades/upgrade-case.js';
import { PROJECT } from '../crash/harness.js';
import { flagsOf } from './flags.js';

export const README = join(PROJECT, 'fixtures/upgrades/README.md');
/** What stands above it is written by hand. */
const BEGIN = '<!-- From here on written by: node dist/test/upgrades/table.js -->\n';

/** The page as it is to be. */
export function page(): string {
  const [head = ''] = readFileSync(README, 'utf8').split(BEGIN);
  const parts = Object.entries(CASES).map(([theme, cases]) => `## ${theme}\n\n${tableOf(cases)}`);
  return `${head}${BEGIN}\n${parts.join('\n')}`;
}

function tableOf(cases: readonly UpgradeCase[]): string {
  const rows = cases.map(rowOf).map((cells) => `| ${cells.join(' | ')} |\n`);
  return `| case | what is changed | definitions | options | what check says | exit | restore |\n| --- | --- | --- | --- | --- | --- | --- |\n${rows.join('')}`;
}

function rowOf(one: UpgradeCase): readonly string[] {
  const { old, to } = one;
  const archive = old.archive === undefined ? '' : ` (${ARCHIVE[old.archive]})`;
  return [
    `${one.name}${one.long === true ? ' ⁺' : ''}${old.undeclared === true ? ' °' : ''}`,
    one.about,
    `${old.file}: ${old.version === to ? to : `${old.version} → ${to}`}${archive}`,
    flagsOf(one.options ?? {}).join(' '),
    findingsOf(one).join('<br>'),
    String(one.exit),
    outcomeOf(one),
  ];
}

const ARCHIVE = {
  savepoint: 'savepoint',
  drained: 'drained',
  full: 'full',
  incremental: 'incremental',
} as const;

/** What is simply kept is not worth a line. */
function findingsOf({ plan, code, exit }: UpgradeCase): readonly string[] {
  const told = plan.filter((line) => !line.startsWith('kept '));
  if (told.length > 0) return told;
  return [exit === 0 || plan.length > 0 ? 'all kept' : (code ?? '')];
}

function outcomeOf({ code, refused = code, fails }: UpgradeCase): string {
  if (refused !== undefined) return `refused: ${refused}`;
  return fails === undefined ? 'goes on' : `fails: ${fails}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(README, page());
