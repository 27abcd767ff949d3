/** `tidemark check` itself, in this process: what it prints, and how it ends. */
import { systemClock } from '../../src/base/clock.js';
import { CODES, type ErrorCode, TidemarkError } from '../../src/base/errors.js';
import { Printer } from '../../src/cli/printer.js';
import { parse } from '../../src/cli/program.js';
import type { PlannedRestore } from '../../src/job/restore.js';
import { flagsOf } from './flags.js';
import { Place } from './running-jobs.js';
import { planLine, type Said, textOf, type Upgrade } from './try-upgrade.js';

type Document = Pick<PlannedRestore, 'states'> & { readonly refusal: { readonly code: ErrorCode } | null };

export async function checkByCommand(place: Place, { one, archive, params }: Upgrade): Promise<Said> {
  const definition = Place.definition(one.old.file);
  const flags = flagsOf(one.options ?? {}).flatMap((flag) => flag.split(' '));
  const given = Object.entries({ ...params, version: one.to }).flatMap(([name, value]) => [
    '--param',
    `${name}=${value}`,
  ]);
  const args = ['check', definition, '--against', archive, '--json', ...flags, ...given];
  const { exit, stdout, stderr, error } = await run(place, ['--home', place.home.root, ...args]);
  if (error !== undefined) {
    const { code } = error;
    return { plan: [], code, exit: CODES[code], text: textOf(error).join('\n'), planned: undefined };
  }
  const { states, refusal } = JSON.parse(stdout) as Document;
  const text = `${states.flatMap(({ message, advice, unproven }) => [message, advice, unproven]).join('\n')}\n${stderr}`;
  return { plan: states.map(planLine), code: refusal?.code, exit, text, planned: undefined };
}

async function run(place: Place, args: readonly string[]) {
  const written = { stdout: '', stderr: '' };
  const into = (stream: keyof typeof written) => ({
    write(text: string | Uint8Array, done?: (error?: Error | null) => void) {
      written[stream] += text.toString();
      done?.();
      return true;
    },
  });
  const options = { json: true, quiet: false, colour: false, environment: {} };
  const printer = new Printer({ ...options, stdout: into('stdout'), stderr: into('stderr') });
  const invocation = parse(args, '0', () => undefined);
  if (invocation === undefined) throw new Error(`help was asked for: ${args.join(' ')}`);
  const { spec, given } = invocation;
  const home = given.text('home');
  const context = { printer, home, cwd: place.folder, environment: {}, clock: systemClock };
  try {
    const command = await spec.load();
    return { exit: await command.run(given, context), ...written, error: undefined };
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    return { exit: error.exitCode, ...written, error };
  }
}
