/** What user code put into state and cannot stay there, said with state, key and path. */
import { TidemarkError } from '../base/errors.js';
import { ValueRefused } from '../codec/codec.js';
import { type Key, KeyRefused } from '../codec/key.js';

const MAX_SHOWN_KEY = 100;

/** `error` as VALUE_REFUSED or KEY_REFUSED when a codec threw it for what it was given; anything else unchanged. */
export function refused(error: unknown, what: string, key: Key | undefined): unknown {
  const where = `${what} of key ${key === undefined ? '(none)' : shownKey(key)}`;
  if (error instanceof ValueRefused) {
    const path = error.path === '' ? '' : ` at ${error.path}`;
    const message = `${where}: ${error.reason}${path}`;
    return new TidemarkError('VALUE_REFUSED', message, {
      cause: error,
      hint: 'keep plain data in state, or declare a codec for it: state.value({ codec })',
    });
  }
  if (error instanceof KeyRefused) {
    return new TidemarkError('KEY_REFUSED', `${where}: ${error.message}`, { cause: error });
  }
  return error;
}

/** A key for messages: as it would be written in code, cut to a bounded length. */
export function shownKey(key: Key): string {
  const text = render(key);
  return text.length <= MAX_SHOWN_KEY ? text : `${text.slice(0, MAX_SHOWN_KEY)}…`;
}

function render(key: Key): string {
  if (typeof key === 'string') return JSON.stringify(key.slice(0, MAX_SHOWN_KEY + 1));
  if (typeof key === 'bigint') return `${key}n`;
  if (typeof key === 'object') return `[${key.map(render).join(', ')}]`;
  return String(key);
}
