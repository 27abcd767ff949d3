/**
 * Taking a savepoint of a live job, as `savepoint` and `stop` do. The job writes the archive; this asks for it, shows
 * how far it is, and hands it over.
 *
 * Invariants: what comes after a timeout or a lost connection is the job's own matter, it goes on; an archive that a
 * job ended with is never removed before all of it has gone out.
 */
import { join, resolve } from 'node:path';
import { EXIT, TidemarkError } from '../base/errors.js';
import { systemRandom } from '../base/random.js';
import type { Catalog } from '../catalog/catalog.js';
import type { JobRecord } from '../catalog/records.js';
import { callControl } from '../control/client.js';
import type { SavepointResult } from '../job/savepoint.js';
import { besidePath, takeBeside } from './beside-job.js';
import type { Context, Given } from './context.js';
import type { Deadline } from './follow-job.js';
import { signingKey } from './keys.js';
import { pipeFile } from './pipe-file.js';
import { savingText } from './saving-text.js';
import { snapshotOperand } from './snapshot-operand.js';
import { deadlineOf, liveSocket } from './steer.js';
import { savedText } from './text.js';

/** Milliseconds between two looks at how far it is, and for the answer to one. */
const LOOK_EVERY = 300;
const LOOK_TIMEOUT = 2_000;
/** Milliseconds that the job has to say what was not in time. */
const LATE_ANSWER = 2_000;

export interface Taking {
  readonly stop: boolean;
  readonly drain: boolean;
}

/** Where the archive goes, as the job is told, and whether it is handed on to stdout from there. */
interface Destination {
  readonly output: string;
  readonly piped: boolean;
}

/** Takes one and tells it. `settled`: waits for what must come after it, and may throw. */
export async function takeSavepoint(
  given: Given,
  context: Context,
  catalog: Catalog,
  taking: Taking,
  settled: (job: JobRecord, deadline: Deadline) => Promise<void>,
): Promise<number> {
  const deadline = deadlineOf(given, context);
  const job = catalog.job(given.operands[0] ?? '');
  const destination = destinationOf(given.text('output'), context, catalog.home.job(job.id).folder);
  const at = atOf(given, context, catalog, job, destination);
  const result = await ask(given, context, catalog, job, deadline, { ...taking, at }, destination);
  await settled(job, deadline);
  await handOver(context, job, result, { piped: destination.piped, stopped: taking.stop, at: at?.path });
  return EXIT.done;
}

/** `folder`: the job's own, where an archive for stdout is written, or is said to have been. */
export function destinationOf(
  option: string | undefined,
  { cwd, printer }: Pick<Context, 'cwd' | 'printer'>,
  folder: string,
  kind: 'savepoint' | 'checkpoint' = 'savepoint',
): Destination {
  if (option === '-') {
    if (printer.stdoutIsTerminal) {
      throw new TidemarkError('USAGE', 'an archive is nothing to read on a terminal', {
        hint: `send it on, as in: -o - > job.${kind}.tar`,
      });
    }
    const unique = Buffer.from(systemRandom.bytes(6)).toString('hex');
    return { output: join(folder, `stdout-${unique}.${kind}.tar`), piped: true };
  }
  if (option === '') {
    throw new TidemarkError('USAGE', '-o: the name of a file is missing', { hint: 'as in -o backup.tar' });
  }
  const path = resolve(cwd, option ?? '.');
  const isFolder = option === undefined || option.endsWith('/');
  return { output: isFolder && !path.endsWith('/') ? `${path}/` : path, piped: false };
}

async function ask(
  given: Given,
  context: Context,
  catalog: Catalog,
  job: JobRecord,
  deadline: Deadline,
  { stop, drain, at }: Taking & { readonly at: At | undefined },
  { output, piped }: Destination,
): Promise<SavepointResult> {
  const doing = stop ? `stopping ${job.name}` : `taking a savepoint of ${job.name}`;
  const wheel = await context.printer.spinner(doing);
  const over = new AbortController();
  try {
    const socket = await liveSocket(context, catalog, job, deadline);
    const reason = given.text('reason');
    const force = given.flag('force');
    const sign = signingKey(given, context)?.path;
    const body = {
      output,
      force,
      stop,
      drain,
      ...(reason === undefined ? {} : { reason }),
      ...(sign === undefined ? {} : { sign }),
    };
    void watch(context, socket, over.signal, (text) => wheel.say(`${doing}: ${text}`));
    const answer =
      at === undefined
        ? await callControl(socket, 'POST', '/v1/savepoint', body, deadline.left())
        : await askAt(context, catalog, job, deadline, { socket, body, at });
    if (isSavepoint(answer)) return answer;
    throw new TidemarkError('NO_ANSWER', "the job's answer names no archive", { hint: whereToLook(job) });
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    if (error.code === 'TIMEOUT' && at === undefined)
      throw timedOut(error, job, stop, piped ? output : undefined);
    if (error.code !== 'NO_ANSWER' || !stop) throw error;
    // The process of a job that stopped may end before its answer is out; the catalog knows of the archive then.
    const taken = takenBy(catalog, job);
    if (taken === undefined) throw error;
    return taken;
  } finally {
    over.abort();
    wheel.stop();
  }
}

/** What `--at` names. */
interface At {
  /** The archive at whose positions the splits wait; of a job, the one that is made of it. */
  readonly path: string;
  readonly other: JobRecord | undefined;
}

function atOf(
  given: Given,
  { cwd }: Context,
  catalog: Catalog,
  { id, name }: JobRecord,
  { output, piped }: Destination,
): At | undefined {
  const text = given.text('at');
  if (text === undefined) return undefined;
  const operand = snapshotOperand(text, cwd);
  if (operand.kind === 'file') return { path: operand.path, other: undefined };
  const other = operand.checkpoint === undefined ? catalog.job(operand.job) : undefined;
  if (other === undefined || other.id === id) {
    throw new TidemarkError('USAGE', `--at ${text}: expected an archive, or another job that is live`, {
      hint: `first: tidemark savepoint ${operand.job} -o FILE.tar`,
    });
  }
  return { path: besidePath(piped ? `${cwd}/` : output, name, other.name), other };
}

interface AskedAt {
  readonly socket: string;
  readonly body: Readonly<Record<string, unknown>> & { readonly force: boolean };
  readonly at: At;
}

async function askAt(
  context: Context,
  catalog: Catalog,
  job: JobRecord,
  deadline: Deadline,
  { socket, body, at: { path, other } }: AskedAt,
): Promise<unknown> {
  const asked = { ...body, at: path };
  const left = deadline.left();
  if (other === undefined) {
    const timeout = left === 0 ? {} : { timeout: left };
    // The job knows what has not come in time, and says so; it is waited for a little longer.
    const limit = left === 0 ? 0 : left + LATE_ANSWER;
    return callControl(socket, 'POST', '/v1/savepoint', { ...asked, ...timeout }, limit);
  }
  return takeBeside({
    socket,
    other: await liveSocket(context, catalog, other, deadline),
    body: asked,
    reason: `to compare ${job.name} with`,
    left: () => deadline.left(),
    sleep: (ms, signal) => context.clock.sleep(ms, signal),
  });
}

/** Tells how far the job says it is, until it is over. */
async function watch(
  { printer, clock }: Context,
  socket: string,
  over: AbortSignal,
  say: (text: string) => void,
): Promise<void> {
  while (printer.watched && !over.aborted) {
    await clock.sleep(LOOK_EVERY, over);
    const status = await callControl(socket, 'GET', '/v1/status', undefined, LOOK_TIMEOUT).catch(
      () => undefined,
    );
    const text = savingText(status);
    if (text !== undefined && !over.aborted) say(text);
  }
}

/** The savepoint that a job ended with. */
function takenBy(catalog: Catalog, job: JobRecord): SavepointResult | undefined {
  const last = catalog.savepoints(job.id).at(-1);
  if (catalog.job(job.id).endedBy !== 'stop' || last?.kind !== 'stop') return undefined;
  const { path, digest, bytes, checkpoint } = last;
  return { path, kind: 'savepoint', layout: 'canonical', digest, bytes, checkpointId: checkpoint };
}

/** Prints what was taken: the document, or the path for `$(…)`; on stderr where the archive itself is on stdout. */
async function handOver(
  { printer }: Context,
  job: JobRecord,
  result: SavepointResult,
  {
    piped,
    stopped,
    at,
  }: { readonly piped: boolean; readonly stopped: boolean; readonly at: string | undefined },
): Promise<void> {
  if (piped) await pipeFile(printer, result.path, stopped);
  const shown = { ...result, ...(piped ? { path: '-' } : {}), ...(at === undefined ? {} : { at }) };
  if (printer.json && piped) printer.note(JSON.stringify(shown));
  else if (printer.json) await printer.document(shown);
  else {
    printer.note(savedText(job.name, result, stopped));
    if (at !== undefined && !piped) printer.note(`compare: tidemark diff ${at} ${result.path} --exit-code`);
    if (!piped) await printer.data(`${result.path}\n`);
  }
}

function timedOut(
  error: TidemarkError,
  job: JobRecord,
  stop: boolean,
  piped: string | undefined,
): TidemarkError {
  const what = stop ? `${job.name} has not stopped yet` : `the savepoint of ${job.name} is not complete yet`;
  const where = piped === undefined ? '' : `, into ${piped}`;
  return new TidemarkError('TIMEOUT', `${what}; it goes on${where}`, {
    hint: whereToLook(job),
    cause: error,
  });
}

function whereToLook({ name }: JobRecord): string {
  return `look again with: tidemark snapshots ${name}, or tidemark status ${name}`;
}

/** The savepoint that came with a checkpoint, in the job's answer. */
export function savepointIn(answer: unknown): SavepointResult | undefined {
  if (typeof answer !== 'object' || answer === null || !('savepoint' in answer)) return undefined;
  return isSavepoint(answer.savepoint) ? answer.savepoint : undefined;
}

function isSavepoint(answer: unknown): answer is SavepointResult {
  if (typeof answer !== 'object' || answer === null) return false;
  const { path, digest, bytes, checkpointId } = answer as Partial<Record<keyof SavepointResult, unknown>>;
  const text = typeof path === 'string' && typeof digest === 'string';
  return text && typeof bytes === 'number' && typeof checkpointId === 'number';
}
