/** `tidemark import <data> (--into <archive> | --definition job.ts) [--state uid.name] [--merge] -o FILE` */

import { createReadStream } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Archive, openArchive } from '../../archive/read.js';
import { nameArchive } from '../../archive/write.js';
import { EXIT, TidemarkError } from '../../base/errors.js';
import { systemRandom } from '../../base/random.js';
import { realDisk } from '../../base/real-disk.js';
import { formatBytes } from '../../base/size.js';
import { csvFields } from '../../connectors/files/csv.js';
import { checkArchive } from '../../job/check-archive.js';
import { type EmptySnapshot, emptySnapshot } from '../../job/empty-snapshot.js';
import { TOOL_VERSION } from '../../job/tool-version.js';
import { unfinishedFile } from '../../rewrite/data-output.js';
import { type Imported, type ImportOptions, importRows } from '../../rewrite/import.js';
import { ImportTarget } from '../../rewrite/import-target.js';
import { csvRows, lineRows } from '../../rewrite/import-text.js';
import { isFlagged } from '../../rewrite/row-mapping.js';
import { sqliteData } from '../../rewrite/sqlite-rows.js';
import type { Context, Given } from '../context.js';
import { type DataFormat, dataFormat, type ImportFlags, importFlags, STDIN } from '../import-data.js';
import { interruptible } from '../interruptible.js';
import { signingKey } from '../keys.js';
import { archiveOutput, checkFolder } from '../new-archive.js';
import { progressText } from '../saving-text.js';
import { archiveOperand } from '../snapshot-operand.js';
import { paramFlags } from '../start-options.js';
import { table } from '../table.js';
import { count } from '../text.js';

const COLUMNS = [
  { title: 'STATE' },
  { title: 'KIND' },
  { title: 'ROWS', right: true },
  { title: 'BEFORE', right: true },
  { title: 'AFTER', right: true },
];

export async function run(given: Given, context: Context): Promise<number> {
  const { printer, cwd } = context;
  const data = given.operands[0] ?? '';
  const into = intoOf(given, cwd);
  const path = archiveOutput(given.text('output') ?? missingOutput(), into ?? `${data}.tar`, 'import', cwd);
  await checkFolder(dirname(path));
  const sign = signingKey(given, context)?.sign;
  const format = await dataFormat(given.text('format'), data, cwd);
  const flags = importFlags(given, format);
  const wheel = await printer.spinner(`importing ${data}`);
  const onProgress: ImportOptions['onProgress'] = (done, phase) =>
    wheel.say(`importing ${data}: ${progressText({ ...done, phase })}`);
  try {
    const done = await interruptible(context, async (signal) => {
      // Under its name is nothing before the definition has taken it.
      const file = await unfinishedFile(realDisk, { path, force: given.flag('force') });
      try {
        const place = { path: file.temporary, sign, spoolFolder: dirname(path), onProgress, signal };
        const imported = await makeFrom(given, context, into, { data, format, flags }, place);
        await nameArchive(imported, signal);
        await checked(given, context, file.temporary, (text) => wheel.say(text), signal);
        signal.throwIfAborted();
        await file.commit();
        return imported;
      } catch (error) {
        await file.discard();
        throw error;
      }
    });
    wheel.stop();
    if (done.interrupted) return done.exitCode;
    await tell(done.value, path, context);
    return EXIT.done;
  } finally {
    wheel.stop();
  }
}

function missingOutput(): never {
  throw new TidemarkError('USAGE', '-o is missing: where the new archive is to be', {
    hint: 'as in -o new.tar',
  });
}

/** The archive to import into; undefined where one is made of a definition. */
function intoOf(given: Given, cwd: string): string | undefined {
  const into = given.text('into');
  if (into !== undefined)
    return archiveOperand(into, cwd, (job) => `first: tidemark savepoint ${job} -o FILE.tar`);
  if (given.text('definition') !== undefined) return undefined;
  throw new TidemarkError('USAGE', 'import needs --into ARCHIVE or --definition FILE', {
    hint: '--into: all else stays as in that archive; --definition: all else is empty, the job reads from the beginning',
  });
}

interface Data {
  readonly data: string;
  readonly format: DataFormat;
  readonly flags: ImportFlags;
}

type Place = Pick<ImportOptions, 'spoolFolder' | 'sign' | 'onProgress' | 'signal'> & {
  readonly path: string;
};

/** Has the definition, where there is one, look at all that was made for it. */
async function checked(
  given: Given,
  { cwd, environment }: Context,
  path: string,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const definition = given.text('definition');
  if (definition === undefined) return;
  const onProgress = (entries: number, of: number) =>
    say(`${definition} looks at ${count(entries)} of ${count(of)} entries`);
  const label = 'what was imported';
  const params = paramFlags(given);
  await checkArchive({ definition, path, label, params, cwd, environment, onProgress, signal });
}

async function makeFrom(
  given: Given,
  context: Context,
  into: string | undefined,
  data: Data,
  place: Place,
): Promise<Imported> {
  const reason = given.text('reason') ?? null;
  if (into === undefined) {
    const definition = given.text('definition') ?? '';
    const empty = await emptySnapshot({
      definition,
      params: paramFlags(given),
      flags: maxParallelismOf(given),
      reason,
      cwd: context.cwd,
      environment: context.environment,
      clock: context.clock,
      random: systemRandom,
    });
    return await make(undefined, empty, definition, given, context, data, place);
  }
  refuseOfDefinition(given);
  const base = await openArchive(realDisk, into);
  try {
    const { manifest, provenance } = base;
    const over = {
      reason,
      toolVersion: TOOL_VERSION,
      time: context.clock.now(),
      parentDigest: manifest.digest,
      edited: true as const,
    };
    const snapshot = { ...manifest, provenance: { ...provenance, ...over } };
    return await make(base, snapshot, into, given, context, data, place);
  } finally {
    await base.close();
  }
}

function maxParallelismOf(given: Given) {
  const maxParallelism = given.text('max-parallelism');
  return maxParallelism === undefined ? {} : { maxParallelism };
}

function refuseOfDefinition(given: Given): void {
  if (given.text('max-parallelism') !== undefined)
    throw new TidemarkError('USAGE', '--max-parallelism: with --into the archive says it', {
      hint: 'tidemark rewrite --max-parallelism N changes it',
    });
  if (given.list('param').length > 0 && given.text('definition') === undefined)
    throw new TidemarkError('USAGE', '--param is of a definition, and there is none', {
      hint: 'leave it out',
    });
}

async function make(
  base: Archive | undefined,
  snapshot: EmptySnapshot,
  label: string,
  given: Given,
  { cwd }: Context,
  { data, format, flags }: Data,
  { path, ...rest }: Place,
): Promise<Imported> {
  const { operators, tables, provenance } = snapshot;
  const target = new ImportTarget(operators, tables, label, flags.state);
  const merge = given.flag('merge');
  const common = {
    ...rest,
    disk: realDisk,
    output: { path },
    base,
    operators,
    tables,
    provenance,
    merge,
  };
  if (format === 'sqlite') {
    const source = sqliteData(resolve(cwd, data), target, flags, flags.query);
    try {
      return await importRows({ ...common, rows: source.rows, replaced: source.states });
    } finally {
      source.close();
    }
  }
  const input = data === STDIN ? process.stdin : createReadStream(resolve(cwd, data));
  // Reading from a terminal or a pipe ends at once.
  const stop = () => input.destroy();
  rest.signal?.addEventListener('abort', stop, { once: true });
  try {
    const single = format === 'csv' || isFlagged(flags);
    const replaced = target.only ?? (single ? [target.single] : []);
    const rows =
      format === 'csv'
        ? csvRows(input, target, flags, { parse: csvFields, delimiter: flags.delimiter })
        : lineRows(input, target, flags);
    return await importRows({ ...common, rows, replaced });
  } catch (error) {
    // What a stream that was ended says of it.
    rest.signal?.throwIfAborted();
    throw error;
  } finally {
    input.destroy();
  }
}

async function tell(imported: Imported, path: string, { printer }: Context): Promise<void> {
  const { manifest, digest, bytes, entries, states, provenance } = imported;
  const { kind, layout } = manifest;
  const { checkpointId, parentDigest, reason } = provenance;
  if (printer.json)
    return await printer.document({
      path,
      kind,
      layout,
      digest,
      bytes,
      checkpointId,
      parentDigest,
      reason,
      entries,
      states,
    });
  const rows = states.map((state) => [
    state.name,
    state.kind,
    count(state.rows),
    count(state.before),
    count(state.after),
  ]);
  printer.note(table(COLUMNS, rows).trimEnd());
  const expired = states.reduce((sum, state) => sum + state.expired, 0);
  if (expired > 0) printer.note(`${count(expired)} of the rows had expired, and are left out`);
  printer.note(
    `savepoint, ${count(entries)} ${entries === 1 ? 'entry' : 'entries'}, ${formatBytes(bytes)}, digest ${digest.slice(0, 12)}`,
  );
  await printer.data(`${path}\n`);
}
