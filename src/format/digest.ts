/**
 * The digest: the name of a state, a tree of SHA-256. FORMAT.md has it with a worked example.
 *
 *     snapshot ── operator (uid ascending) ── table (kind, name ascending) ── key group ── leaf: its entries
 *
 * In it: keyed state, timers, broadcast state, operator lists and elements in flight as multisets, split positions,
 * watermarks, and what says how to read them. Not in it: sink transactions, who had what at which parallelism, job
 * identity, checkpoint ids, times.
 */
import { createHash, type Hash } from 'node:crypto';
import { assert, present } from '../base/assert.js';
import { valueCodec } from '../codec/value.js';
import { ByteWriter } from '../codec/writer.js';
import type { ManifestOperator, ManifestTable, TableKind } from './manifest.js';

const MARK = {
  table: 'tidemark table 1\n',
  operator: 'tidemark operator 1\n',
  snapshot: 'tidemark snapshot 1\n',
  native: 'tidemark native 1\n',
} as const;

/** Kinds that count as multisets: which subtask had which element, and in which place, is not state. */
const MULTISETS: readonly TableKind[] = ['operator-list', 'operator-union', 'in-flight'];

export function isMultiset(kind: TableKind): boolean {
  return MULTISETS.includes(kind);
}

export type DigestOperator = Pick<ManifestOperator, 'uid' | 'maxParallelism' | 'keyType'>;
export type DigestTable = Pick<
  ManifestTable,
  'operator' | 'name' | 'kind' | 'codec' | 'schemaVersion' | 'mapKey'
>;

/** The hash of a key group that has entries. */
export interface GroupLeaf {
  readonly group: number;
  readonly entries: number;
  readonly leaf: Uint8Array;
}

/** The leaf of a group's entries, given in canonical order. */
export interface LeafHash {
  /** Whole entries, canonical (table 0); `element` is told the value of each, for multisets, and its map key. */
  add(entries: Uint8Array): void;
  element(value: Uint8Array, mapKey: Uint8Array | undefined): void;
  digest(): Buffer;
}

export function leafHash(kind: TableKind): LeafHash {
  return isMultiset(kind) ? new MultisetLeaf() : new OrderedLeaf();
}

const NO_BYTES = new Uint8Array();

class OrderedLeaf implements LeafHash {
  readonly #hash: Hash = createHash('sha256');

  add(entries: Uint8Array): void {
    this.#hash.update(entries);
  }

  element(): void {}

  digest(): Buffer {
    return this.#hash.digest();
  }
}

class MultisetLeaf implements LeafHash {
  readonly #elements: string[] = [];

  add(): void {}

  element(value: Uint8Array, mapKey: Uint8Array = NO_BYTES): void {
    this.#elements.push(createHash('sha256').update(value).update(mapKey).digest().toString('latin1'));
  }

  digest(): Buffer {
    const hash = createHash('sha256');
    for (const element of this.#elements.sort()) hash.update(element, 'latin1');
    return hash.digest();
  }
}

/** `groups` ascending, those with entries only. */
export function tableDigest(table: DigestTable, groups: Iterable<GroupLeaf>): Buffer {
  const { name, kind, codec, schemaVersion, mapKey } = table;
  const hash = marked(MARK.table, [name, kind, codec.id, codec.version, schemaVersion, mapKey]);
  const head = Buffer.alloc(12);
  for (const { group, entries, leaf } of groups) {
    head.writeUInt32LE(group, 0);
    head.writeBigUInt64LE(BigInt(entries), 4);
    hash.update(head).update(leaf);
  }
  return hash.digest();
}

/**
 * `operators` and `tables` in canonical order ({@link canonicalOrder}); `digests[i]` is that of `tables[i]`. Operators
 * without a table are no part of it. In hex.
 */
export function snapshotDigest(
  operators: readonly DigestOperator[],
  tables: readonly DigestTable[],
  digests: readonly Uint8Array[],
): string {
  assert(tables.length === digests.length, 'a digest for each table');
  const snapshot = createHash('sha256').update(MARK.snapshot);
  const nodes = new Map<string, Hash>();
  const known = new Map(operators.map((operator) => [operator.uid, operator]));
  tables.forEach(({ operator: uid }, i) => {
    const { maxParallelism, keyType } = present(known.get(uid), `operator ${uid}`);
    const node = nodes.get(uid) ?? marked(MARK.operator, [uid, maxParallelism, keyType]);
    nodes.set(uid, node.update(present(digests[i], 'a digest')));
  });
  for (const { uid } of operators) {
    const node = nodes.get(uid);
    if (node !== undefined) snapshot.update(node.digest());
  }
  return snapshot.digest('hex');
}

/** What names a native archive: its bytes, not the state they stand for. `segments` in their order. */
export function nativeDigest(segments: readonly string[]): string {
  return marked(MARK.native, [...segments]).digest('hex');
}

interface Named {
  readonly operator: string;
  readonly kind: TableKind;
  readonly name: string;
}

/** Operators by uid, tables by uid, kind, name; all bytewise over UTF-8. */
export function canonicalOrder<O extends { readonly uid: string }, T extends Named>(
  operators: readonly O[],
  tables: readonly T[],
): { readonly operators: O[]; readonly tables: T[] } {
  return {
    operators: [...operators].sort((a, b) => byBytes(a.uid, b.uid)),
    tables: [...tables].sort(
      (a, b) => byBytes(a.operator, b.operator) || byBytes(a.kind, b.kind) || byBytes(a.name, b.name),
    ),
  };
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function marked(mark: string, identity: readonly unknown[]): Hash {
  const out = new ByteWriter();
  valueCodec.write(identity, out);
  return createHash('sha256').update(mark).update(out.view());
}
