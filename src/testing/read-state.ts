/** Reads one key's state out of a snapshot in memory. */
import { TidemarkError } from '../base/errors.js';
import type { KeyCodec } from '../codec/key.js';
import { keyCodecById } from '../codec/keys.js';
import { listCodec } from '../codec/list.js';
import { ByteReader } from '../codec/reader.js';
import { ByteWriter } from '../codec/writer.js';
import type { Entry } from '../format/entry.js';
import type { Graph, ProcessNode } from '../graph/node.js';
import type { StateDeclaration } from '../graph/state.js';
import { isTimer } from '../runtime/tables.js';
import { entriesOf, type TakenSnapshot } from './taken.js';

export function readState(snapshot: TakenSnapshot, graph: Graph, name: string, key: unknown): unknown {
  const [uid, stateName] = name.split('.');
  const node = graph.nodes.find((one): one is ProcessNode => one.kind === 'process' && one.uid === uid);
  const declared = node?.spec.state?.[stateName ?? ''];
  const table = snapshot.tables.find(
    (one) => one.operator === uid && one.name === stateName && !isTimer(one.kind),
  );
  if (node === undefined || declared === undefined || table === undefined) {
    throw new TidemarkError('USAGE', `no state ${name}; write it as uid.name`);
  }
  const wanted = encode(keysOf(graph, node), key);
  const found = [...entriesOf(snapshot)].filter(
    (entry) => entry.table === table.id && wanted.equals(entry.key),
  );
  return decode(declared, found);
}

function decode(declared: StateDeclaration, entries: readonly Entry[]): unknown {
  const [first] = entries;
  if (first === undefined) return undefined;
  if (declared.kind === 'list') return listCodec(declared.codec).read(new ByteReader(first.value));
  if (declared.kind !== 'map') return declared.codec.read(new ByteReader(first.value));
  const mapKeys = keyCodecById('auto');
  return new Map(
    entries.map(({ mapKey, value }) => [
      mapKeys.read(new ByteReader(mapKey ?? Buffer.alloc(0))),
      declared.codec.read(new ByteReader(value)),
    ]),
  );
}

function keysOf(graph: Graph, node: ProcessNode): KeyCodec {
  const keyBy = graph.nodes[node.input];
  if (keyBy?.kind === 'keyBy') return keyBy.codec;
  throw new TidemarkError('USAGE', `operator ${node.uid} has no keys`);
}

function encode(keys: KeyCodec, key: unknown): Buffer {
  keys.hash(key);
  const out = new ByteWriter();
  keys.write(keys.normalise(key), out);
  return out.copy();
}
