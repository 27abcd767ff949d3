/**
 * Lists by number, kept in a map state: of few or of very many records, of which some change. A list is cut into chunks, so
 * that adding to it writes one of them; a place in it, once given, stays.
 *
 *     map key          value
 *     7                [2, [r0 … r31]]       how many chunks follow, and the first records
 *     [7, 1]           [0, [r32 … r63]]
 *     [7, 2]           [0, [r64]]
 */
import { present } from '../base/assert.js';
import { ValueRefused } from '../codec/codec.js';
import { refusedWithin, type Schema } from '../codec/schema.js';
import type { MapState } from './state.js';

/** Records of one chunk. */
export const CHUNK = 32;

export type ChunkKey = number | readonly [list: number, chunk: number];
export type Chunk<T> = readonly [following: number, records: readonly T[]];
export type ChunkMap<T> = MapState<ChunkKey, Chunk<T>>;

/** Records keep what `get` hands out: nobody changes them. */
type Shown<T> = Chunk<T> | undefined;

function chunkOf<T>(map: ChunkMap<T>, key: ChunkKey): Shown<T> {
  return map.get(key) as Shown<T>;
}

/** Adds to a list and says at which place. */
export function append<T>(map: ChunkMap<T>, list: number, record: T): number {
  const head = chunkOf(map, list);
  if (head === undefined) {
    map.set(list, [0, [record]]);
    return 0;
  }
  const [following, first] = head;
  const records = following === 0 ? first : present(chunkOf(map, [list, following]), 'a chunk')[1];
  if (records.length < CHUNK) {
    map.set(following === 0 ? list : [list, following], [0, [...records, record]]);
    return following * CHUNK + records.length;
  }
  map.set([list, following + 1], [0, [record]]);
  map.set(list, [following + 1, first]);
  return (following + 1) * CHUNK;
}

/** The records of a list, chunk by chunk, in the order they were added. */
export function chunksOf<T>(map: ChunkMap<T>, list: number): readonly (readonly T[])[] {
  const head = chunkOf(map, list);
  if (head === undefined) return [];
  const [following, first] = head;
  const chunks = [first];
  for (let i = 1; i <= following; i++) chunks.push(present(chunkOf(map, [list, i]), 'a chunk')[1]);
  return chunks;
}

/** The record at a place. */
export function recordAt<T>(map: ChunkMap<T>, list: number, place: number): T {
  const chunk = Math.floor(place / CHUNK);
  const [, records] = present(chunkOf(map, chunk === 0 ? list : [list, chunk]), 'a chunk');
  return present(records[place % CHUNK], 'a record');
}

/** Takes a whole list out; false where there was none. */
export function drop<T>(map: ChunkMap<T>, list: number): boolean {
  const head = chunkOf(map, list);
  if (head === undefined) return false;
  for (let i = 1; i <= head[0]; i++) map.delete([list, i]);
  return map.delete(list);
}

/** All lists, by ascending number. */
export function lists<T>(map: ChunkMap<T>): readonly (readonly [list: number, records: readonly T[]])[] {
  const heads = [...map.keys()].filter((key) => typeof key === 'number');
  return heads.sort((a, b) => a - b).map((list) => [list, chunksOf(map, list).flat()] as const);
}

/** The schema of chunks whose records are `[…, element]`, from that of the elements; it has its versions. */
export function chunkSchema(element: Schema<unknown>): Schema<Chunk<readonly [number, unknown]>> {
  const each = (value: unknown, read: (element: unknown) => unknown) => {
    const [following, records] = checked(value);
    return [
      following,
      records.map(([time, one], i) => {
        try {
          return [time, read(one)] as const;
        } catch (error) {
          throw refusedWithin(error, `[1][${i}][1]`);
        }
      }),
    ] as const;
  };
  return {
    version: element.version,
    next() {
      throw new TypeError('the versions of what is kept are those of its elements');
    },
    upgrade: (value, version) => each(value, (one) => element.upgrade(one, version)),
    check: (value) => each(value, (one) => element.check(one)),
  };
}

function checked(value: unknown): Chunk<readonly [number, unknown]> {
  if (!Array.isArray(value) || typeof value[0] !== 'number' || !isRecords(value[1]))
    throw new ValueRefused('expected elements as a join keeps them: [n, [[time, element], …]]');
  return value as unknown as Chunk<readonly [number, unknown]>;
}

function isRecords(value: unknown): boolean {
  return Array.isArray(value) && value.every((record) => Array.isArray(record) && record.length === 2);
}
