/** The sink that prints. */
import { TidemarkError } from '../base/errors.js';
import type { SinkSpec } from '../graph/sink.js';
import { jsonLine } from './json-line.js';

/** Characters gathered before they are passed on. */
const CHUNK_CHARS = 64 * 1024;

export interface StdoutOptions {
  /** `json`: one document a line. `text`: `String(element)` a line. Default `json`. */
  readonly format?: 'json' | 'text';
}

/**
 * Prints one line an element to standard output, or to the job's stdout file when it is detached.
 * At-least-once: what was printed after the last checkpoint is printed again after a failure.
 */
export function stdout<T>(options: StdoutOptions = {}): SinkSpec<T, never> {
  const { format = 'json' } = options;
  if (format !== 'json' && format !== 'text') {
    throw new TidemarkError(
      'DEFINITION_INVALID',
      `stdout(): the format is 'json' or 'text', not ${String(format)}`,
    );
  }
  return {
    kind: 'stdout',
    describe: `standard output, as ${format}`,
    open(context) {
      const encode = (element: T) => (format === 'text' ? String(element) : jsonLine(element, context.sink));
      // One chunk is under way at a time, and the caller waits for it: nothing piles up.
      return {
        async write(elements) {
          let chunk = '';
          for (const element of elements) {
            chunk += `${encode(element)}\n`;
            if (chunk.length < CHUNK_CHARS) continue;
            await context.stdout(chunk);
            chunk = '';
          }
          if (chunk !== '') await context.stdout(chunk);
        },
      };
    },
  };
}
