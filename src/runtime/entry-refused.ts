/** An entry of a snapshot that the definition does not take: which one, where in its value, and why. */
import { TidemarkError } from '../base/errors.js';
import { BytesDamaged, DecodeFailed, ValueRefused } from '../codec/codec.js';
import { type KeyCodec, KeyRefused } from '../codec/key.js';
import { keyCodecById } from '../codec/keys.js';
import { ByteReader } from '../codec/reader.js';
import { StepFailed, stepName } from '../codec/schema.js';
import type { Entry } from '../format/entry.js';
import type { Graph } from '../graph/node.js';
import { shownKey } from '../state/refused.js';
import { isKeyed } from './compile.js';
import type { Table } from './tables.js';

const places = keyCodecById('tuple(long,long)');
const anyKeys = keyCodecById('auto');
/** Kinds whose entries are found by a subtask and a place. */
const PLACED: ReadonlySet<string> = new Set(['operator-list', 'operator-union', 'in-flight']);
/** Bytes of a key that are shown where it cannot be read. */
const MAX_HEX_BYTES = 32;

export interface EntryRefusal {
  /** The operator's uid, and the state's name, as the definition has them now; the kind where it has no name. */
  readonly operator: string;
  readonly state: string;
  /** Which entry, as code would write it: `key "ATL", map key 5`; empty where there is one only. */
  readonly entry: string;
  /** Within the value, as `.a[3]`; empty for the value itself. */
  readonly path: string;
  readonly reason: string;
  /** The step of the schema that threw, as `v1→v2`. */
  readonly step: string | null;
}

/** INCOMPATIBLE. `details.cause` is what user code threw, else what refused the value. */
export class EntryRefused extends TidemarkError {
  readonly refusal: EntryRefusal;

  constructor(refusal: EntryRefusal, cause: unknown) {
    const { operator, state, entry, path, reason } = refusal;
    const where = `state ${operator}.${state}${entry === '' ? '' : ` of ${entry}`}`;
    super('INCOMPATIBLE', `${where}: ${reason}${path === '' ? '' : ` at ${path}`}`, {
      cause,
      operator,
      hint: 'see all that is refused: tidemark check DEFINITION --against ARCHIVE --all',
    });
    this.name = 'EntryRefused';
    this.refusal = refusal;
  }
}

/** `error` as {@link EntryRefused} where a codec, a schema or a key type refused the entry; anything else unchanged. */
export function entryRefused(
  error: unknown,
  which: Pick<EntryRefusal, 'operator' | 'state' | 'entry'>,
): unknown {
  if (error instanceof ValueRefused) {
    const { path, reason } = error;
    const step = error instanceof StepFailed ? stepName(error.from) : null;
    return new EntryRefused({ ...which, path, reason, step }, error);
  }
  if (error instanceof DecodeFailed || error instanceof KeyRefused)
    return new EntryRefused({ ...which, path: '', reason: error.message, step: null }, error);
  return error;
}

/** Which entry of its table it is. Bytes that cannot be read are shown as such. */
export function nameEntry({ key, mapKey, namespace }: Entry, ours: Table, graph: Graph): string {
  if (PLACED.has(ours.kind)) return `[subtask, place] ${show(places, key)}`;
  const keys = keysOf(graph, ours.operator);
  const parts = [
    ...(key.length === 0 ? [] : [`key ${keys === undefined ? hex(key) : show(keys, key)}`]),
    ...(mapKey === undefined || ours.mapKey === null ? [] : [`map key ${show(anyKeys, mapKey)}`]),
    ...(namespace.kind === 'window' ? [`window ${namespace.start} to ${namespace.end}`] : []),
  ];
  return parts.join(', ');
}

/** Of the operator; undefined where it has none. */
export function keysOf(graph: Graph, uid: string): KeyCodec | undefined {
  const node = graph.nodes.find((one) => isKeyed(one) && one.uid === uid);
  const keyBy = node !== undefined && isKeyed(node) ? graph.nodes[node.input] : undefined;
  return keyBy?.kind === 'keyBy' ? keyBy.codec : undefined;
}

function show(keys: KeyCodec, bytes: Buffer): string {
  try {
    return shownKey(keys.read(new ByteReader(bytes)));
  } catch (error) {
    if (!(error instanceof BytesDamaged || error instanceof KeyRefused)) throw error;
    return hex(bytes);
  }
}

function hex(bytes: Buffer): string {
  return `0x${bytes.toString('hex', 0, MAX_HEX_BYTES)}${bytes.length > MAX_HEX_BYTES ? '…' : ''}`;
}
