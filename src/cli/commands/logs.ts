/** `tidemark logs <job> [-f]` */
import { EXIT } from '../../base/errors.js';
import { isLive } from '../../catalog/job-state.js';
import type { Context, Given } from '../context.js';
import { isStarting } from '../follow-job.js';
import { LogFile } from '../log-file.js';
import type { Printer } from '../printer.js';
import { withCatalog } from '../session.js';

/** Milliseconds between two looks for more. */
const INTERVAL = 200;
/** Looks for the last words of a process whose job has ended, and which is still there. */
const LAST_LOOKS = 50;
/** Characters of a line under `--json`; a longer one is cut into several. */
const MAX_LINE = 64 * 1024;

export function run(given: Given, context: Context): Promise<number> {
  return withCatalog(context, false, async (catalog) => {
    const { printer, clock } = context;
    const { id, name } = catalog.job(given.operands[0] ?? '');
    const log = new LogFile(catalog.home.job(id).log);
    const out = printer.json ? new LineRows(printer) : printer;
    let any = false;
    let last = LAST_LOOKS;
    try {
      for (;;) {
        const job = catalog.job(id);
        const lives = isLive(job.state) || isStarting(job, clock.now());
        // Asked before reading, so that what a job said last is still read. How it ended is said once that is recorded.
        const goesOn = given.flag('follow') && (lives || (last-- > 0 && catalog.isHeld(id)));
        for (let bytes = await log.next(); bytes !== undefined; bytes = await log.next()) {
          await out.data(bytes);
          any = true;
        }
        if (!goesOn) break;
        await clock.sleep(INTERVAL);
      }
    } finally {
      await log.close();
    }
    if (out instanceof LineRows) await out.end();
    if (!any) printer.note(`${name} has said nothing`);
    return EXIT.done;
  });
}

/** Makes a JSON line of every line. */
class LineRows {
  readonly #printer: Printer;
  readonly #decoder = new TextDecoder();
  #rest = '';

  constructor(printer: Printer) {
    this.#printer = printer;
  }

  async data(bytes: Uint8Array): Promise<void> {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > MAX_LINE) lines.push(this.#rest.slice(0, MAX_LINE));
    if (this.#rest.length > MAX_LINE) this.#rest = this.#rest.slice(MAX_LINE);
    for (const line of lines) await this.#printer.row({ line });
  }

  async end(): Promise<void> {
    if (this.#rest !== '') await this.#printer.row({ line: this.#rest });
  }
}
