/**
 * The only writer to the terminal.
 *
 * Invariants: data goes to stdout and everything else to stderr; colours, spinners and the live line appear only on
 * a terminal; a live line is gone before anything else is written and back after it; chalk and ora are loaded when
 * they are first needed, since they take longer than most commands.
 */
import type { TidemarkError } from '../base/errors.js';
import { errorDocument, errorLines } from './exit.js';

export interface Stream {
  write(text: string | Uint8Array, done?: (error?: Error | null) => void): boolean;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface PrinterOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  /** False after `--no-color`. */
  readonly colour: boolean;
  readonly environment: NodeJS.ProcessEnv;
  readonly stdout: Stream;
  readonly stderr: Stream;
}

type Brush = (text: string) => string;
export interface Paint {
  readonly bold: Brush;
  readonly dim: Brush;
  readonly red: Brush;
  readonly green: Brush;
  readonly yellow: Brush;
  readonly cyan: Brush;
}

const plain: Brush = (text) => text;
/** chalk's own brushes take any number of texts: what maps with them would be painted with its place and all the others. */
function paintOf({ bold, dim, red, green, yellow, cyan }: Paint): Paint {
  const only =
    (brush: Brush): Brush =>
    (text) =>
      brush(text);
  return {
    bold: only(bold),
    dim: only(dim),
    red: only(red),
    green: only(green),
    yellow: only(yellow),
    cyan: only(cyan),
  };
}
const PLAIN: Paint = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain };

export interface Spinner {
  say(text: string): void;
  stop(): void;
}

const ERASE_LINE = '\r\u001b[2K';

export class Printer {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly #options: PrinterOptions;
  #live: string | undefined;

  constructor(options: PrinterOptions) {
    this.json = options.json;
    this.quiet = options.quiet;
    this.#options = options;
  }

  /** Whether progress is worth drawing: somebody looks at stderr and did not ask for quiet. */
  get watched(): boolean {
    const { stderr, environment } = this.#options;
    // A terminal that has not said how wide it is has none to draw on; ora would never end there.
    const drawable = stderr.isTTY === true && (stderr.columns ?? 0) > 0 && environment['TERM'] !== 'dumb';
    return drawable && !this.quiet && !this.json;
  }

  get stdoutIsTerminal(): boolean {
    return this.#options.stdout.isTTY === true;
  }

  /** Writes to stdout as it is; resolves once it is written. */
  async data(text: string | Uint8Array): Promise<void> {
    const { stdout } = this.#options;
    await this.#aside(stdout, () => writeAll(stdout, text));
  }

  /** The one document of a command under `--json`. */
  async document(value: unknown): Promise<void> {
    await this.data(`${JSON.stringify(value, null, this.stdoutIsTerminal ? 2 : 0)}\n`);
  }

  /** One row of a stream of them under `--json`. */
  async row(value: unknown): Promise<void> {
    await this.data(`${JSON.stringify(value)}\n`);
  }

  /** Tells what goes on; not under `--quiet`. */
  note(text: string): void {
    if (!this.quiet) this.#tell(text);
  }

  /** Tells what should not be missed. */
  warn(text: string): void {
    this.#tell(`warning: ${text}`);
  }

  async error(error: TidemarkError): Promise<void> {
    if (this.json) {
      this.#tell(JSON.stringify(errorDocument(error)));
      return;
    }
    const lines = errorLines(error, this.#options.environment['TIDEMARK_DEBUG'] === '1').map(printable);
    const [first = '', ...rest] = lines;
    const { red, dim } = await this.paint('stderr');
    this.#write([first.replace(/^error:/, red('error:')), ...rest.map((line) => dim(line))].join('\n'));
  }

  /** Sets the line that is redrawn in place, or removes it. Only where somebody watches. */
  live(text: string | undefined): void {
    if (!this.watched || (text ?? this.#live) === undefined) return;
    const { stderr } = this.#options;
    this.#live = text === undefined ? undefined : text.slice(0, (stderr.columns ?? 1) - 1);
    stderr.write(ERASE_LINE + (this.#live ?? ''));
  }

  /** Empties the terminal for a view that is drawn anew; a separator elsewhere. */
  async clear(): Promise<void> {
    await this.data(this.stdoutIsTerminal ? '\u001b[H\u001b[2J\u001b[3J' : '\n');
  }

  /** A turning wheel while something takes its time; silent where nobody watches. */
  async spinner(text: string): Promise<Spinner> {
    if (!this.watched) return { say() {}, stop() {} };
    const { default: ora } = await import('ora');
    // Without `discardStdin: false` ora takes the terminal's input, and Ctrl-C with it.
    const wheel = ora({ text, discardStdin: false }).start();
    return {
      say(next) {
        wheel.text = next;
      },
      stop() {
        wheel.stop();
      },
    };
  }

  async paint(on: 'stdout' | 'stderr' = 'stdout'): Promise<Paint> {
    const { colour, environment } = this.#options;
    const asked = colour && (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb';
    if (!asked || this.#options[on].isTTY !== true) return PLAIN;
    const { default: stdoutChalk, chalkStderr } = await import('chalk');
    return paintOf(on === 'stdout' ? stdoutChalk : chalkStderr);
  }

  #tell(text: string): void {
    this.#write(printable(text));
  }

  #write(text: string): void {
    const { stderr } = this.#options;
    this.#aside(stderr, () => stderr.write(`${text}\n`));
  }

  /** Takes the live line away while something else is written where it stands. */
  #aside<T>(stream: Stream, write: () => T): T {
    const { stderr } = this.#options;
    const line = stream.isTTY === true ? this.#live : undefined;
    if (line !== undefined) stderr.write(ERASE_LINE);
    const written = write();
    if (line !== undefined) stderr.write(line);
    return written;
  }
}

function writeAll(stream: Stream, text: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it takes out
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** Text from elements and user code, without what would steer the terminal. */
export function printable(text: string): string {
  return text.replace(CONTROL, (found) => `\\x${found.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
