/** Finds what is kept under a name, and a key, among the entries of all state. Pure. */
import { TidemarkError } from '../base/errors.js';
import type { Codec } from '../codec/codec.js';
import { type KeyCodec, KeyRefused } from '../codec/key.js';
import { keyCodecById } from '../codec/keys.js';
import { listCodec } from '../codec/list.js';
import { ByteReader } from '../codec/reader.js';
import { valueCodec } from '../codec/value.js';
import { ByteWriter } from '../codec/writer.js';
import type { Entry } from '../format/entry.js';
import { timerKey } from '../format/timer-key.js';
import type { GraphNode, ProcessNode } from '../graph/node.js';
import type { BroadcastDeclarations } from '../graph/process.js';
import { GLOBAL_WINDOW, type TimeWindow } from '../graph/window.js';
import { type Compiled, isKeyed } from '../runtime/compile.js';
import { isTimer, type Table } from '../runtime/tables.js';

const mapKeys = keyCodecById('auto');
const subtaskKeys = keyCodecById('tuple(long,long)');

/** What one window of a key holds, as `state` gives it. */
export interface PaneState {
  readonly window: TimeWindow;
  readonly value: unknown;
}

export interface StateAddress {
  /** `uid.state`; of a window operator also `uid` alone, of an `asyncMap` nothing else. */
  readonly name: string;
  /** Undefined for state that belongs to no key. */
  readonly key: unknown;
}

/** @throws TidemarkError USAGE when there is no such state, KEY_REFUSED for what is no key of its operator. */
export function readState(compiled: Compiled, all: Iterable<Entry>, address: StateAddress): unknown {
  const { node, table } = findTable(compiled, address.name, (kind) => !isTimer(kind));
  const own = [...all].filter((entry) => entry.table === table.id);
  switch (table.kind) {
    case 'operator-list':
    case 'operator-union':
    case 'in-flight':
      return bySubtask(own).map(({ value }) => read(codecOf(node, table), value));
    case 'broadcast':
      return mapOf(own, codecOf(node, table));
    default:
      return readKeyed(node, table, ofKey(compiled, node, own, address));
  }
}

/** The times at which timers of a name are set for a key, ascending. Throws as `readState` does. */
export function readTimers(
  compiled: Compiled,
  all: Iterable<Entry>,
  address: StateAddress,
): readonly number[] {
  const { node, table } = findTable(compiled, address.name, isTimer);
  const own = [...all].filter((entry) => entry.table === table.id);
  return ofKey(compiled, node, own, address)
    .map(({ mapKey }) => timerKey.read(new ByteReader(mapKey ?? Buffer.alloc(0))))
    .sort((a, b) => a - b);
}

function readKeyed(node: GraphNode, table: Table, entries: readonly Entry[]): unknown {
  const codec = codecOf(node, table);
  if (node.kind === 'window') return panesOf(entries, codec);
  if (table.kind === 'map') return entries.length === 0 ? undefined : mapOf(entries, codec);
  const [only] = entries;
  return only === undefined ? undefined : read(codec, only.value);
}

function panesOf(entries: readonly Entry[], codec: Codec<unknown>): readonly PaneState[] {
  return entries
    .map(({ namespace, value }) => ({
      window:
        namespace.kind === 'window'
          ? { start: Number(namespace.start), end: Number(namespace.end) }
          : GLOBAL_WINDOW,
      value: read(codec, value),
    }))
    .sort((a, b) => a.window.start - b.window.start);
}

function mapOf(entries: readonly Entry[], codec: Codec<unknown>): ReadonlyMap<unknown, unknown> {
  return new Map(
    entries.map(({ mapKey, value }) => [
      mapKeys.read(new ByteReader(mapKey ?? Buffer.alloc(0))),
      read(codec, value),
    ]),
  );
}

/** In the order of the subtasks, and of each one's list. */
function bySubtask(entries: readonly Entry[]): readonly Entry[] {
  return entries
    .map((entry) => ({ entry, at: subtaskKeys.read(new ByteReader(entry.key)) as readonly [number, number] }))
    .sort((a, b) => a.at[0] - b.at[0] || a.at[1] - b.at[1])
    .map(({ entry }) => entry);
}

/** The codec of a table's values; of a list it is that of the whole. */
function codecOf(node: GraphNode, { kind, name }: Table): Codec<unknown> {
  switch (node.kind) {
    case 'process': {
      const { state = {}, broadcast = {} } = node.spec as ProcessNode['spec'] & {
        readonly broadcast?: BroadcastDeclarations;
      };
      const { codec = valueCodec } = (kind === 'broadcast' ? broadcast : state)[name] ?? {};
      return kind === 'list' ? listCodec(codec) : codec;
    }
    case 'window':
      if (name === 'trigger') return valueCodec;
      return kind === 'list' ? listCodec(node.spec.keeps.codec) : node.spec.keeps.codec;
    case 'asyncMap':
      return node.spec.kept.codec;
    case 'source':
      return node.source.state?.[name]?.codec ?? valueCodec;
    case 'sink':
      return node.sink.state?.[name]?.codec ?? valueCodec;
    default:
      return valueCodec;
  }
}

function read(codec: Codec<unknown>, bytes: Buffer): unknown {
  return codec.read(new ByteReader(bytes));
}

function ofKey(
  { graph }: Compiled,
  node: GraphNode,
  entries: readonly Entry[],
  { name, key }: StateAddress,
): readonly Entry[] {
  const keyBy = isKeyed(node) ? graph.nodes[node.input] : undefined;
  if (keyBy?.kind !== 'keyBy') throw new TidemarkError('USAGE', `${name} belongs to no key`);
  if (key === undefined) throw new TidemarkError('USAGE', `${name} is kept by key: name one`);
  const wanted = encode(keyBy.codec, key, name);
  return entries.filter((entry) => wanted.equals(entry.key));
}

function encode(keys: KeyCodec, key: unknown, name: string): Buffer {
  try {
    keys.hash(key);
  } catch (error) {
    if (!(error instanceof KeyRefused)) throw error;
    throw new TidemarkError('KEY_REFUSED', `key of ${name}: ${error.message}`, { cause: error });
  }
  const out = new ByteWriter();
  keys.write(keys.normalise(key), out);
  return out.copy();
}

/** Positions, watermarks and transactions are no state that a test asks for. */
function isFound({ name, kind }: Table): boolean {
  return name !== '' || kind === 'in-flight';
}

function findTable(
  { graph, tables }: Compiled,
  name: string,
  wanted: (kind: Table['kind']) => boolean,
): { readonly node: GraphNode; readonly table: Table } {
  const dot = name.indexOf('.');
  const uid = dot < 0 ? name : name.slice(0, dot);
  const node = graph.nodes.find((one) => 'uid' in one && one.uid === uid);
  const named = tables.filter((table) => table.operator === uid && isFound(table) && wanted(table.kind));
  const table =
    dot < 0 && (node?.kind === 'window' || node?.kind === 'asyncMap')
      ? named[0]
      : named.find((one) => one.name === name.slice(dot + 1));
  if (node !== undefined && table !== undefined) return { node, table };
  const found = tables
    .filter((one) => isFound(one) && wanted(one.kind))
    .map((one) => (one.name === '' ? one.operator : `${one.operator}.${one.name}`));
  throw new TidemarkError('USAGE', `there is no ${name}; there are: ${found.join(', ') || 'none'}`);
}
