/** `tidemark rewrite <archive> -o FILE [--rename …] [--drop …] [--max-parallelism N] [--filter …] [--map …] [--edits FILE]` */

import { createReadStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { nameArchive } from '../../archive/write.js';
import { EXIT, TidemarkError } from '../../base/errors.js';
import { realDisk } from '../../base/real-disk.js';
import { formatBytes } from '../../base/size.js';
import { nameProblem } from '../../graph/names.js';
import { startMaps } from '../../job/map-task.js';
import { TOOL_VERSION } from '../../job/tool-version.js';
import { type RewritePhase, type Rewritten, rewriteArchive } from '../../rewrite/rewrite.js';
import type { Context, Given } from '../context.js';
import { signingKey } from '../keys.js';
import { archiveOutput, checkFolder } from '../new-archive.js';
import type { Printer, Spinner } from '../printer.js';
import { rewriteDocument, rewriteTable } from '../rewrite-view.js';
import { onSignal } from '../signals.js';
import { archiveOperand } from '../snapshot-operand.js';
import { count } from '../text.js';

const PHASES: Readonly<Record<RewritePhase, string>> = {
  edits: 'reading edits,',
  check: 'checking',
  read: 'reading',
  sort: 'changing',
  merge: 'merging',
  pack: 'writing',
};
const CHANGES = ['rename', 'drop', 'filter', 'map'] as const;

export async function run(given: Given, context: Context): Promise<number> {
  const { printer, clock, cwd } = context;
  const input = archiveOperand(
    given.operands[0] ?? '',
    cwd,
    (job) => `first: tidemark savepoint ${job} -o FILE.tar`,
  );
  const path = await outputOf(given, input, cwd);
  refuseNothing(given);
  const edits = await editsOf(given.text('edits'), cwd);
  const stop = new AbortController();
  const signals = onSignal(
    () => clock.monotonic(),
    () => stop.abort(),
  );
  // Reading from a terminal or a pipe ends at once.
  stop.signal.addEventListener('abort', () => edits?.destroy(), { once: true });
  const wheel = await printer.spinner(`rewriting ${input}`);
  try {
    const rewritten = await rewriteArchive({
      disk: realDisk,
      input,
      output: path === undefined ? undefined : { path, force: given.flag('force') },
      sign: signingKey(given, context)?.sign,
      spoolFolder: path === undefined ? tmpdir() : dirname(path),
      request: {
        rename: given.list('rename'),
        drop: given.list('drop'),
        filter: given.list('filter'),
        map: given.list('map'),
        maxParallelism: given.text('max-parallelism'),
      },
      edits,
      startMapper: (tables) =>
        startMaps(tables, {
          output: (text) => printer.note(text.trimEnd()),
          signal: stop.signal,
          folder: cwd,
        }),
      nameProblem,
      reason: given.text('reason') ?? null,
      toolVersion: TOOL_VERSION,
      now: clock.now(),
      onProgress: progressOn(wheel, input),
      signal: stop.signal,
    });
    if (rewritten.prepared !== undefined) await nameArchive(rewritten.prepared, stop.signal);
    wheel.stop();
    await tell(rewritten, path, printer);
    return EXIT.done;
  } catch (error) {
    wheel.stop();
    if (!stop.signal.aborted || signals.exitCode === undefined) throw error;
    printer.note('given up; nothing was written');
    return signals.exitCode;
  } finally {
    edits?.destroy();
    signals.release();
  }
}

/** Undefined where nothing is to be written. */
async function outputOf(given: Given, input: string, cwd: string): Promise<string | undefined> {
  if (given.flag('dry-run')) return undefined;
  const option = given.text('output');
  if (option === undefined) {
    throw new TidemarkError('USAGE', '-o is missing: where the new archive is to be', {
      hint: 'as in -o new.tar; --dry-run writes nothing',
    });
  }
  const path = archiveOutput(option, input, 'rewrite', cwd);
  await checkFolder(dirname(path));
  return path;
}

function refuseNothing(given: Given): void {
  const asked = CHANGES.some((name) => given.list(name).length > 0);
  const said = ['max-parallelism', 'edits', 'reason'].some((name) => given.text(name) !== undefined);
  if (asked || said) return;
  throw new TidemarkError('USAGE', 'nothing is to be changed', {
    hint: 'say what: --rename, --drop, --max-parallelism, --filter, --map or --edits',
  });
}

async function editsOf(option: string | undefined, cwd: string): Promise<Readable | undefined> {
  if (option === undefined) return undefined;
  if (option === '-') return process.stdin;
  const path = resolve(cwd, option);
  if ((await realDisk.stat(path))?.isFile === true) return createReadStream(path);
  throw new TidemarkError('FILE_NOT_FOUND', `--edits: there is no file ${path}`, {
    hint: 'a file of JSON lines, or - for stdin',
  });
}

function progressOn(wheel: Spinner, input: string) {
  return ({ entries, bytes }: { entries: number; bytes: number }, phase: RewritePhase): void => {
    const noun = phase === 'edits' ? 'lines' : 'entries';
    const done = entries > 0 ? `${count(entries)} ${noun}` : formatBytes(bytes);
    wheel.say(`rewriting ${input}: ${PHASES[phase]} ${done}`);
  };
}

async function tell(rewritten: Rewritten, path: string | undefined, printer: Printer): Promise<void> {
  if (printer.json) return await printer.document(rewriteDocument(rewritten, path ?? null));
  const { prepared, provenance } = rewritten;
  if (prepared === undefined || path === undefined) {
    await printer.data(rewriteTable(rewritten));
    return printer.note('nothing was written');
  }
  printer.note(rewriteTable(rewritten).trimEnd());
  const what = `savepoint, ${count(prepared.entries)} entries, ${formatBytes(prepared.bytes)}`;
  printer.note(`${provenance.job.name}: ${what}, digest ${prepared.digest.slice(0, 12)}`);
  await printer.data(`${path}\n`);
}
