/** `tidemark help [topic]` */
import { EXIT, TidemarkError } from '../../base/errors.js';
import { COMMANDS } from '../command-list.js';
import type { Context, Given } from '../context.js';
import { buildProgram } from '../program.js';
import { TOPICS } from '../topics.js';

export async function run(given: Given, { printer }: Context): Promise<number> {
  const [topic] = given.operands;
  if (topic !== undefined && Object.hasOwn(TOPICS, topic)) {
    await printer.data(TOPICS[topic] ?? '');
    return EXIT.done;
  }
  const known = COMMANDS.filter((spec) => spec.hidden !== true).map((spec) => spec.name);
  if (topic !== undefined && !known.includes(topic)) {
    throw new TidemarkError('USAGE', `nothing is called ${JSON.stringify(topic)}`, {
      hint: `there are ${[...known, ...Object.keys(TOPICS)].join(', ')}`,
    });
  }
  await printer.data(helpOf(topic));
  return EXIT.done;
}

function helpOf(topic: string | undefined): string {
  let text = '';
  const program = buildProgram(
    '',
    (part) => {
      text += part;
    },
    () => {},
  );
  const command = program.commands.find((candidate) => candidate.name() === topic) ?? program;
  command.outputHelp();
  return text;
}
