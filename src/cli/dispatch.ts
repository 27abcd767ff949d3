/** Parses a command line, loads and runs the one command it names, and turns what comes of it into an exit code. */
import { systemClock } from '../base/clock.js';
import { EXIT, type TidemarkError, toTidemarkError } from '../base/errors.js';
import { Given } from './context.js';
import { fromCommander } from './exit.js';
import { Printer } from './printer.js';
import { type Invocation, parse } from './program.js';

export async function dispatch(args: readonly string[], version: string): Promise<number> {
  let invocation: Invocation | undefined;
  try {
    invocation = parse(args, version, {
      out: (text) => process.stdout.write(text),
      err: (text) => process.stderr.write(text),
    });
  } catch (error) {
    const coded = fromCommander(error);
    return coded === undefined ? EXIT.done : fail(coded, printerFor(beforeParsing(args)));
  }
  if (invocation === undefined) return EXIT.done;
  const { spec, given } = invocation;
  const printer = printerFor(given);
  try {
    const command = await spec.load();
    return await command.run(given, {
      printer,
      home: given.text('home'),
      cwd: process.cwd(),
      environment: process.env,
      clock: systemClock,
    });
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
