/**
 * Where the command line begins. It loads as little as it can: an overview needs no parser, and the parser no
 * command but the one that was named.
 */
import { EXIT, systemCode } from '../base/errors.js';

const OVERVIEW: readonly string[] = ['--help', '-h', 'help'];

/** Ends the process when the command has. */
export async function main(args: readonly string[], version: string): Promise<void> {
  endQuietlyWithoutReader();
  process.exitCode = await run(args, version);
  // What a command leaves open (a socket, a watcher) must not keep a finished command alive.
  process.exit();
}

async function run(args: readonly string[], version: string): Promise<number> {
  const [first = '', second] = args;
  if (args.length === 0 || (OVERVIEW.includes(first) && second === undefined)) {
    const { overview } = await import('./overview.js');
    if (args.length > 0) return show(overview());
    process.stderr.write(overview());
    return EXIT.usage;
  }
  const { dispatch } = await import('./dispatch.js');
  return dispatch(args, version);
}

function show(text: string): Promise<number> {
  return new Promise((resolve) => {
    process.stdout.write(text, (error) => resolve(error ? EXIT.environment : EXIT.done));
  });
}

/**
 * EPIPE on stdout means that nobody reads on (`| head`). Other errors there reach whoever wrote, and those of stderr
 * nobody: there is no place left to tell them.
 */
function endQuietlyWithoutReader(): void {
  process.stdout.on('error', (error) => {
    if (systemCode(error) === 'EPIPE') process.exit(process.exitCode ?? EXIT.done);
  });
  process.stderr.on('error', () => {});
}
