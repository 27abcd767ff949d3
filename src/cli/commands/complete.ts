/**
 * `tidemark __complete <words…>`: what completion scripts call. A line per candidate, its explanation after a tab;
 * a last line `:files` where names of files fit too. Never fails: a shell's prompt is no place for errors.
 */
import { EXIT } from '../../base/errors.js';
import { COMMANDS } from '../command-list.js';
import { type Candidate, complete } from '../complete.js';
import type { Context, Given } from '../context.js';
import { printable } from '../printer.js';
import { withCatalog } from '../session.js';

const MAX_JOBS = 200;

export async function run(given: Given, context: Context): Promise<number> {
  // The first word says where the others begin: what looks like an option of ours is not one.
  const words = given.operands[0] === '--' ? given.operands.slice(1) : given.operands;
  const jobs = await jobCandidates(words, context);
  const { candidates, files } = complete(words, COMMANDS, () => jobs);
  const lines = candidates.map(({ text, about }) => printable(about === '' ? text : `${text}\t${about}`));
  await context.printer.data([...lines, ...(files ? [':files'] : [])].map((line) => `${line}\n`).join(''));
  return EXIT.done;
}

/** Names of the home's jobs, each once, the newest first; none where there is no home. */
async function jobCandidates(words: readonly string[], context: Context): Promise<readonly Candidate[]> {
  const at = words.indexOf('--home');
  const home = (at < 0 ? undefined : words[at + 1]) ?? context.home;
  try {
    return await withCatalog({ ...context, home }, false, async (catalog) => {
      const jobs = catalog.jobs({ all: true }).slice(0, MAX_JOBS);
      return [...new Map(jobs.map((job) => [job.name, { text: job.name, about: job.state }])).values()];
    });
  } catch {
    return [];
  }
}
