/** `tidemark convert <file> [-o FILE] [--force]` */

import { dirname } from 'node:path';
import type { OnProgress } from '../../archive/canonicalize.js';
import { type Converted, convertArchive } from '../../archive/convert.js';
import { nameArchive } from '../../archive/write.js';
import { EXIT } from '../../base/errors.js';
import { realDisk } from '../../base/real-disk.js';
import { formatBytes } from '../../base/size.js';
import type { Context, Given } from '../context.js';
import { signingKey } from '../keys.js';
import { archiveOutput, checkFolder } from '../new-archive.js';
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
    await nameArchive(converted, stop.signal);
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

async function tell(converted: Converted, path: string, { printer }: Context): Promise<void> {
  const { manifest, digest, bytes, entries, provenance } = converted;
  const { kind, layout } = manifest;
  const { checkpointId, job } = provenance;
  if (printer.json) return await printer.document({ path, kind, layout, digest, bytes, checkpointId });
  const what = `savepoint of checkpoint ${checkpointId}, ${count(entries)} entries, ${formatBytes(bytes)}`;
  printer.note(`${job.name}: ${what}, digest ${digest.slice(0, 12)}`);
  await printer.data(`${path}\n`);
}

/** Beside the input, unless it is said where. */
function outputOf(option: string | undefined, input: string, cwd: string): string {
  return archiveOutput(option ?? `${dirname(input)}/`, input, 'convert', cwd);
}
