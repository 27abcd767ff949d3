/** `tidemark convert <file> [-o FILE] [--force]` */
import { basename, dirname, join, resolve } from 'node:path';
import type { OnProgress } from '../../archive/canonicalize.js';
import { type Converted, convertArchive } from '../../archive/convert.js';
import { EXIT, TidemarkError } from '../../base/errors.js';
import { realDisk } from '../../base/real-disk.js';
import { formatBytes } from '../../base/size.js';
import type { Context, Given } from '../context.js';
import { signingKey } from '../keys.js';
import { onSignal } from '../signals.js';
import { archiveOperand } from '../snapshot-operand.js';
import { count } from '../text.js';

const PHASES: Readonly<Record<Parameters<OnProgress>[1], string>> = {
  check: 'checking',
  sort: 'sorting',
  merge: 'merging',
  pack: 'writing',
};

export async function run(given: Given, context: Context): Promise<number> {
  const { printer, clock } = context;
  const hint = (job: string) => `first: tidemark externalize ${job} -o FILE.tar`;
  const input = archiveOperand(given.operands[0] ?? '', context.cwd, hint);
  const output = outputOf(given.text('output'), input, context.cwd);
  await checkFolder(dirname(output));
  const key = signingKey(given, context);
  const stop = new AbortController();
  const signals = onSignal(
    () => clock.monotonic(),
    () => stop.abort(),
  );
  const wheel = await printer.spinner(`converting ${input}`);
  const onProgress: OnProgress = ({ entries, bytes }, phase) =>
    wheel.say(
      `converting ${input}: ${PHASES[phase]} ${entries > 0 ? `${count(entries)} entries` : formatBytes(bytes)}`,
    );
  try {
    const converted = await convertArchive({
      disk: realDisk,
      input,
      output: { path: output, force: given.flag('force') },
      sign: key?.sign,
      spoolFolder: dirname(output),
      onProgress,
      signal: stop.signal,
    });
    await settle(converted, stop.signal);
    wheel.stop();
    await tell(converted, output, context);
    return EXIT.done;
  } catch (error) {
    wheel.stop();
    if (error !== stop.signal.reason || signals.exitCode === undefined) throw error;
    printer.note('given up; nothing was written');
    return signals.exitCode;
  } finally {
    signals.release();
  }
}

/** Names it, unless a signal has come in between. */
async function settle(converted: Converted, signal: AbortSignal): Promise<void> {
  try {
    signal.throwIfAborted();
    await converted.commit();
  } catch (error) {
    await converted.discard();
    throw error;
  }
}

async function tell(converted: Converted, path: string, { printer }: Context): Promise<void> {
  const { manifest, digest, bytes, entries, provenance } = converted;
  const { kind, layout } = manifest;
  const { checkpointId, job } = provenance;
  if (printer.json) return await printer.document({ path, kind, layout, digest, bytes, checkpointId });
  const what = `savepoint of checkpoint ${checkpointId}, ${count(entries)} entries, ${formatBytes(bytes)}`;
  printer.note(`${job.name}: ${what}, digest ${digest.slice(0, 12)}`);
  await printer.data(`${path}\n`);
}

/** Beside the input, unless it is said where; in a folder, by the same name. */
function outputOf(option: string | undefined, input: string, cwd: string): string {
  if (option === '') {
    throw new TidemarkError('USAGE', '-o: the name of a file is missing', { hint: 'as in -o backup.tar' });
  }
  if (option === '-') {
    throw new TidemarkError('USAGE', '-o -: convert writes a file, and nothing to stdout', {
      hint: 'as in -o FILE.savepoint.tar && cat FILE.savepoint.tar; a file of that name is -o ./-',
    });
  }
  const name = `${basename(input).replace(/(\.checkpoint)?\.tar$/, '')}.savepoint.tar`;
  if (option === undefined) return join(dirname(input), name);
  return option.endsWith('/') ? resolve(cwd, option, name) : resolve(cwd, option);
}

async function checkFolder(folder: string): Promise<void> {
  const found = await realDisk.stat(folder);
  if (found !== undefined && !found.isFile) return;
  throw new TidemarkError('FILE_NOT_FOUND', `${folder}: there is no such folder`, {
    hint: `make it: mkdir -p ${folder}`,
  });
}
