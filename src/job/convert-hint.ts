/** The way out of what a native archive refuses. Pure. */
import { TidemarkError } from '../base/errors.js';
import type { Incapability } from '../restore/capable.js';

/** What an archive is called once it is converted: `noon.checkpoint.tar` becomes `noon.savepoint.tar`, beside it. */
export function convertedName(archive: string): string {
  return `${archive.replace(/(\.checkpoint)?\.tar$/, '')}.savepoint.tar`;
}

/** The command that converts it. */
export function convertCommand(archive: string): string {
  return `tidemark convert ${typed(archive)} -o ${typed(convertedName(archive))}`;
}

/** The first of them, with all in its message; undefined without any. */
export function refusalFor(archive: string, found: readonly Incapability[]): TidemarkError | undefined {
  const [first] = found;
  if (first === undefined) return undefined;
  const message = found.map((one) => one.message).join('\n');
  const hint = `${convertCommand(archive)} makes one that can; tidemark restore ${typed(archive)} --convert goes on from it at once`;
  return new TidemarkError(first.code, message, { hint });
}

/** As one types it in a shell. */
export function typed(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
