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

/** The message of whatever user code threw. */
export function userMessage(error: unknown): string {
  if (error instanceof Error) return error.message === '' ? error.name : `${error.name}: ${error.message}`;
  return `threw ${show(error)}`;
}
