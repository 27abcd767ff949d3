/** Parses a command line, loads and runs the one command it names, and turns what comes of it into an exit code. */
import { systemClock } from '../base/clock.js';
import { EXIT, type TidemarkError, toTidemarkError } from '../base/errors.js';
import { Given } from './context.js';
import { fromCommander } from './exit.js';
import { Printer } from './printer.js';
import { type Invocation, parse } from './program.js';

export async function dispatch(args: readonly string[], version: string): Promise<number> {
  const early = printerFor(beforeParsing(args));
  let help = '';
  let invocation: Invocation | undefined;
  try {
    invocation = parse(args, version, (text) => {
      help += text;
    });
  } catch (error) {
    const coded = fromCommander(error);
    if (coded !== undefined) return fail(coded, early);
  }
  if (invocation === undefined) return attempt(early, () => early.data(help).then(() => EXIT.done));
  const { spec, given } = invocation;
  const printer = printerFor(given);
  return attempt(printer, async () => {
    const command = await spec.load();
    return await command.run(given, {
      printer,
      home: given.text('home'),
      cwd: process.cwd(),
      environment: process.env,
      clock: systemClock,
    });
  });
}

async function attempt(printer: Printer, act: () => Promise<number>): Promise<number> {
  try {
    return await act();
  } catch (error) {
    return fail(toTidemarkError(error), printer);
  }
}

/** How to print what is wrong with arguments that could not be parsed. */
function beforeParsing(args: readonly string[]): Given {
  return new Given([], { json: args.includes('--json'), color: !args.includes('--no-color') });
}

function printerFor(given: Given): Printer {
  return new Printer({
    json: given.flag('json'),
    quiet: given.flag('quiet'),
    colour: given.flag('color'),
    environment: process.env,
    stdout: process.stdout,
    stderr: process.stderr,
  });
}

async function fail(error: TidemarkError, printer: Printer): Promise<number> {
  await printer.error(error);
  return error.exitCode;
}
