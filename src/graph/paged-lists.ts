/**
 * Lists by number, kept in a map state: of few or of very many records, of which some change. A list is cut into pages, so
 * that adding to it writes one of them; a place in it, once given, stays.
 *
 *     map key          value
 *     7                [2, [r0 … r31]]       how many pages follow, and the first records
 *     [7, 1]           [0, [r32 … r63]]
 *     [7, 2]           [0, [r64]]
 *
 * A page that is not there has no records: a person may have taken it out of a snapshot.
 */
import { ValueRefused } from '../codec/codec.js';
import { refusedWithin, type Schema } from '../codec/schema.js';
import type { MapState } from './state.js';

/** Records of one page. */
export const PAGE = 32;

export type PageKey = number | readonly [list: number, page: number];
/** `null`: a record that was taken out. */
export type Page<T> = readonly [following: number, records: readonly (T | null)[]];
export type PageMap<T> = MapState<PageKey, Page<T>>;

/** Records keep what `get` hands out: nobody changes them. */
type Shown<T> = Page<T> | undefined;

function pageOf<T>(map: PageMap<T>, key: PageKey): Shown<T> {
  return map.get(key) as Shown<T>;
}

/** Adds to a list and says at which place. */
export function append<T>(map: PageMap<T>, list: number, record: T): number {
  const head = pageOf(map, list);
  if (head === undefined) {
    map.set(list, [0, [record]]);
    return 0;
  }
  const [following, first] = head;
  const records = following === 0 ? first : (pageOf(map, [list, following])?.[1] ?? []);
  if (records.length < PAGE) {
    map.set(following === 0 ? list : [list, following], [0, [...records, record]]);
    return following * PAGE + records.length;
  }
  map.set([list, following + 1], [0, [record]]);
  map.set(list, [following + 1, first]);
  return (following + 1) * PAGE;
}

/** The records of a list, page by page, in the order they were added. */
export function pagesOf<T>(map: PageMap<T>, list: number): readonly (readonly (T | null)[])[] {
  const head = pageOf(map, list);
  if (head === undefined) return [];
  const [following, first] = head;
  const pages = [first];
  for (let i = 1; i <= following; i++) pages.push(pageOf(map, [list, i])?.[1] ?? []);
  return pages;
}

/** Takes out the record at a place, and returns it; undefined where there is none. The others stay where they are. */
export function take<T>(map: PageMap<T>, list: number, place: number): T | undefined {
  const page = Math.floor(place / PAGE);
  const key: PageKey = page === 0 ? list : [list, page];
  const [following, records] = pageOf(map, key) ?? [0, []];
  const record = records[place % PAGE] ?? undefined;
  if (record !== undefined) map.set(key, [following, records.with(place % PAGE, null)]);
  return record;
}

/** Takes a whole list out; false where there was none. */
export function drop<T>(map: PageMap<T>, list: number): boolean {
  const head = pageOf(map, list);
  if (head === undefined) return false;
  for (let i = 1; i <= head[0]; i++) map.delete([list, i]);
  return map.delete(list);
}

/** All lists, by ascending number. */
export function lists<T>(
  map: PageMap<T>,
): readonly (readonly [list: number, records: readonly (T | null)[]])[] {
  const heads = [...map.keys()].filter((key) => typeof key === 'number');
  return heads.sort((a, b) => a - b).map((list) => [list, pagesOf(map, list).flat()] as const);
}

/** The schema of pages whose records are `[…, element]`, from that of the elements; it has its versions. */
export function pageSchema(element: Schema<unknown>): Schema<Page<readonly [number, unknown]>> {
  const each = (value: unknown, read: (element: unknown) => unknown) => {
    const [following, records] = checked(value);
    return [
      following,
      records.map((record, i) => {
        if (record === null) return null;
        const [time, one] = record;
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

function checked(value: unknown): Page<readonly [number, unknown]> {
  if (!Array.isArray(value) || typeof value[0] !== 'number' || !isRecords(value[1]))
    throw new ValueRefused('expected elements as a join keeps them: [n, [[time, element], …]]');
  return value as unknown as Page<readonly [number, unknown]>;
}

function isRecords(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every((record) => record === null || (Array.isArray(record) && record.length === 2))
  );
}
