/** What names a snapshot on the command line: `FILE | job | job@CHECKPOINT`. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { TidemarkError } from '../base/errors.js';

export type SnapshotOperand =
  | { readonly kind: 'file'; readonly path: string }
  /** `checkpoint` is undefined for the last completed one. */
  | { readonly kind: 'job'; readonly job: string; readonly checkpoint: number | undefined };

/** A file is what contains a `/` or ends in `.tar`; its path is made absolute. Pure. */
export function snapshotOperand(text: string, cwd: string): SnapshotOperand {
  if (text.includes('/') || text.endsWith('.tar')) return { kind: 'file', path: resolve(cwd, text) };
  const at = text.indexOf('@');
  if (at < 0) return { kind: 'job', job: text, checkpoint: undefined };
  const number = text.slice(at + 1);
  if (/^[1-9]\d{0,14}$/.test(number))
    return { kind: 'job', job: text.slice(0, at), checkpoint: Number(number) };
  throw new TidemarkError('USAGE', `${JSON.stringify(text)}: expected a number after the @`, {
    hint: 'write a checkpoint as job@12; a file as ./job@12.tar',
  });
}

/** The path of an archive, for commands that take nothing else. */
export function archiveOperand(text: string, cwd: string, hint: (job: string) => string): string {
  const operand = snapshotOperand(text, cwd);
  if (operand.kind === 'file') return operand.path;
  throw new TidemarkError(
    'USAGE',
    `${JSON.stringify(text)} names no file: expected a path with a / or ending in .tar`,
    { hint: existsSync(resolve(cwd, text)) ? `if the file is meant: ./${text}` : hint(operand.job) },
  );
}

/** `job` or `job@CHECKPOINT`, for commands that take no file. */
export function checkpointOperand(text: string): Extract<SnapshotOperand, { kind: 'job' }> {
  const operand = snapshotOperand(text, '/');
  if (operand.kind === 'job') return operand;
  throw new TidemarkError('USAGE', `${JSON.stringify(text)} is a file: expected a job, or job@CHECKPOINT`, {
    hint: 'archives are yours: tidemark neither pins nor removes them',
  });
}
