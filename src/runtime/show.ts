/** Any value as one bounded line, for messages. Never throws, never calls user code beyond getters it must. */
const MAX_SHOWN = 300;
const MAX_ITEMS = 20;

export function show(value: unknown, most = MAX_SHOWN): string {
  let text: string;
  try {
    text = render(value, 0);
  } catch {
    text = '(cannot be shown)';
  }
  return text.length <= most ? text : `${text.slice(0, most)}…`;
}

function render(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}…` : value);
    case 'bigint':
      return `${value}n`;
    case 'function':
      return `function ${value.name}`;
    case 'object':
      return value === null ? 'null' : renderObject(value, depth);
    default:
      return Object.is(value, -0) ? '-0' : String(value);
  }
}

function renderObject(value: object, depth: number): string {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (depth >= 3) return '…';
  if (Array.isArray(value)) return `[${items(value, (item) => render(item, depth + 1))}]`;
  if (value instanceof Map) {
    return `Map {${items([...take(value)], ([k, v]) => `${render(k, depth + 1)} → ${render(v, depth + 1)}`)}}`;
  }
  if (value instanceof Set) return `Set {${items([...take(value)], (item) => render(item, depth + 1))}}`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.byteLength} bytes)`;
  const body = items(
    Object.entries(value),
    ([name, item]) => `${JSON.stringify(name)}:${render(item, depth + 1)}`,
  );
  const kind = Object.getPrototypeOf(value)?.constructor?.name;
  return `${kind === undefined || kind === 'Object' ? '' : `${kind} `}{${body}}`;
}

function items<T>(all: readonly T[], one: (item: T) => string): string {
  const shown = all.slice(0, MAX_ITEMS).map(one).join(',');
  return all.length > MAX_ITEMS ? `${shown},… ${all.length - MAX_ITEMS} more` : shown;
}

function* take<T>(all: Iterable<T>): Generator<T> {
  let count = 0;
  for (const item of all) {
    if (count++ > MAX_ITEMS) return;
    yield item;
  }
}

/** Errors looked at along `cause`. */
const MAX_CAUSES = 5;

/** The message of whatever user code threw, and what it says of its causes: `fetch failed` alone tells nothing. */
export function userMessage(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${show(error)}`;
  const said = [error.message === '' ? error.name : `${error.name}: ${error.message}`];
  try {
    let cause = causeOf(error);
    for (let depth = 0; depth < MAX_CAUSES && cause !== undefined; depth++) {
      const message = messageOf(cause);
      // Many errors say in their own words what their cause says.
      if (!said.some((outer) => outer.includes(message))) said.push(message);
      cause = causeOf(cause);
    }
  } catch {
    // A getter of the user's threw: what was said so far has to do.
  }
  return said.join(': ');
}

/** An address that has several forms is tried by each of them: what became of the first. */
function causeOf(error: unknown): unknown {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors[0];
  return error instanceof Error ? error.cause : undefined;
}

/** Empty where the cause of the cause says it all. */
function messageOf(cause: unknown): string {
  if (!(cause instanceof Error)) return show(cause);
  if (cause instanceof AggregateError && cause.message === '' && cause.errors.length > 0) return '';
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name;
  const [line = ''] = cause.message.split('\n', 1);
  return line === '' ? code : line.slice(0, MAX_SHOWN);
}
