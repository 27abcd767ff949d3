/** How a command ends: which text, which document and which exit code an error leads to. */
import { type ErrorRecord, TidemarkError, toTidemarkError } from '../base/errors.js';

/**
 * The exit code of a process that SIGPIPE has ended. Where stdout has lost its reader and what goes there matters (a
 * job's output, an archive), the command ends at once, as other programs do; see endQuietlyWithoutReader in main.ts.
 */
export const EXIT_NO_READER = 141;

/** The last line of stderr under `--json`. */
export function errorDocument(error: TidemarkError): Readonly<Record<string, unknown>> {
  const { stack: _stack, ...record } = error.toRecord();
  return { type: 'error', ...record };
}

/** An error for people, one line each: what happened, where in the dataflow, and what to type next. */
export function errorLines(error: TidemarkError, debug: boolean): readonly string[] {
  const { hint, stack } = error.details;
  const lines = [`error: ${error.message}`, ...whereLines(error.toRecord())];
  if (hint !== undefined) lines.push(`  hint: ${hint}`);
  if (debug) lines.push(...(stack ?? error.stack ?? '').split('\n').map((line) => `  ${line}`));
  else if (error.code === 'INTERNAL') {
    lines.push('  this is a bug in tidemark; TIDEMARK_DEBUG=1 shows where it comes from');
  }
  return lines;
}

/** Where in the dataflow it happened, as far as it is known. */
export function whereLines(record: ErrorRecord): readonly string[] {
  const parts: readonly (readonly [string, string | undefined])[] = [
    ['operator', record.operator],
    ['element', record.element],
    ['position', record.position],
    ['source', record.at],
  ];
  return parts.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name.padEnd(8)}  ${value}`]));
}

/** What commander throws, as ours; undefined where it only ends early, after `--help` or `--version`. */
export function fromCommander(error: unknown): TidemarkError | undefined {
  if (!(error instanceof Error) || !('exitCode' in error) || !('code' in error))
    return toTidemarkError(error);
  if (error.exitCode === 0) return undefined;
  const message = error.message
    .replace(/^error: /, '')
    .replace(/\s*\n/g, ' ')
    .trimEnd();
  return new TidemarkError('USAGE', message, { hint: 'tidemark --help, or tidemark <command> --help' });
}
