/** `tidemark completion bash|zsh|fish` */
import { present } from '../../base/assert.js';
import { EXIT } from '../../base/errors.js';
import { SCRIPTS } from '../completion-scripts.js';
import type { Context, Given } from '../context.js';

export async function run(given: Given, { printer }: Context): Promise<number> {
  // The parser has let only the names of shells pass.
  await printer.data(present(SCRIPTS[given.operands[0] ?? ''], 'the script of a shell'));
  return EXIT.done;
}
