/** Native blocks by hand: what a drain writes, for tests of archives. */

import type { TableShape } from '../../src/archive/table-list.js';
import { keyGroupOf } from '../../src/base/key-groups.js';
import { operatorId } from '../../src/base/operator-id.js';
import type { Key } from '../../src/codec/key.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { valueCodec } from '../../src/codec/value.js';
import { EntryWriter } from '../../src/format/entry.js';
import type { ManifestOperator, TableKind } from '../../src/format/manifest.js';
import type { Provenance } from '../../src/format/provenance.js';
import type { Payload } from '../../src/store/sort-buffer.js';

export const PROVENANCE: Provenance = {
  job: { id: '0123456789ab', name: 'job' },
  attempt: 1,
  checkpointId: 7,
  parallelism: 2,
  time: 1_700_000_000_000,
  barrierTime: 1_700_000_000_000,
  host: 'here',
  toolVersion: '0.1.0',
  reason: null,
  parentDigest: null,
  bundleHash: null,
  definitionFile: null,
  gitCommit: null,
  lineage: [{ job: '0123456789ab', checkpoint: 7 }],
  targets: [],
  params: {},
  cwd: '/',
};

export function operator(
  uid: string,
  kind: ManifestOperator['kind'] = 'process',
  keyType: string | null = 'auto',
  maxParallelism = 128,
): ManifestOperator {
  return { uid, operatorId: operatorId(uid), kind, maxParallelism, keyType };
}

export function table(
  id: number,
  uid: string,
  name: string,
  kind: TableKind = 'value',
  mapKey: string | null = kind === 'map' || kind === 'broadcast' ? 'auto' : null,
): TableShape {
  const codec = { id: 'value', version: 1 };
  return { id, operator: uid, name, kind, codec, schemaVersion: 1, mapKey };
}

/** Collects what an EntryWriter gives out. */
export class Blocks implements AsyncIterable<Payload> {
  readonly blocks: Payload[] = [];
  readonly out: EntryWriter;

  constructor(chunkBytes = 64 * 1024) {
    this.out = new EntryWriter(
      {
        take: (bytes) => Buffer.allocUnsafe(bytes),
        full: (chunk, used, entries) => {
          this.blocks.push({ payload: Buffer.from(chunk.subarray(0, used)), entries });
        },
      },
      chunkBytes,
    );
  }

  /** One keyed value. */
  value(id: number, key: Key, value: unknown, keyType = 'auto', maxParallelism = 128): void {
    const codec = keyCodecById(keyType);
    this.out.begin(id, keyGroupOf(codec.hash(key), maxParallelism));
    this.out.key(codec, key);
    this.out.value(valueCodec, value);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Payload> {
    this.out.flush();
    for (const { payload, entries } of this.blocks) yield { payload: Buffer.from(payload), entries };
  }
}
