/** Drives sources without a runtime: every batch, and a start from every position. */
import { systemClock } from '../../src/base/clock.js';
import type { Disk } from '../../src/base/disk.js';
import type { Batch, ReadRequest, SourceContext, SourceSpec } from '../../src/graph/source.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';

export const FOLDER = '/data';

export function contextOf(disk: Disk, cwd = FOLDER): SourceContext {
  return { cwd, disk, clock: systemClock, log: () => {} };
}

/** A disk that holds these files in {@link FOLDER}. */
export function diskOf(contents: Readonly<Record<string, string | Uint8Array>>): FaultyDisk {
  const disk = new FaultyDisk();
  for (const [name, content] of Object.entries(contents))
    disk.plant(`${FOLDER}/${name}`, Buffer.from(content));
  return disk;
}

/** The disk, giving at most `most` bytes a read: as network file systems may. */
export function shortReads(disk: FaultyDisk, most: number): Disk {
  const open = disk.open.bind(disk);
  disk.open = async (path) => {
    const file = await open(path);
    return {
      stat: () => file.stat(),
      close: () => file.close(),
      read: (into, offset) => file.read(into.subarray(0, most), offset),
    };
  };
  return disk;
}

export interface Reading<P> {
  readonly context: SourceContext;
  readonly batch?: number;
  /** Default: the start of the only split. */
  readonly position?: P;
  readonly split?: string;
}

/** All batches of a split up to its end. */
export async function batchesOf<T, P>(source: SourceSpec<T, P>, reading: Reading<P>): Promise<Batch<T, P>[]> {
  const request = await requestOf(source, reading);
  const batches: Batch<T, P>[] = [];
  for await (const batch of source.read(request)) batches.push(batch);
  return batches;
}

export async function elementsOf<T, P>(source: SourceSpec<T, P>, reading: Reading<P>): Promise<T[]> {
  return (await batchesOf(source, reading)).flatMap((batch) => batch.elements);
}

async function requestOf<T, P>(source: SourceSpec<T, P>, reading: Reading<P>): Promise<ReadRequest<P>> {
  const { context, batch = 1000 } = reading;
  let { split, position } = reading;
  if (split === undefined || position === undefined) {
    const splits = await source.splits(context);
    const found = splits.find((each) => split === undefined || each.id === split);
    if (found === undefined) throw new Error('no such split');
    split = found.id;
    position ??= found.start;
  }
  return { ...context, split, position, batch, signal: new AbortController().signal, state: {} };
}

/** For every position the source yields: what a start from there reads. Element by element this must fit. */
export async function suffixes<T, P>(
  source: SourceSpec<T, P>,
  reading: Reading<P>,
): Promise<{ readonly read: number; readonly rest: T[] }[]> {
  const found: { read: number; rest: T[] }[] = [];
  let read = 0;
  for (const batch of await batchesOf(source, reading)) {
    read += batch.elements.length;
    const position = source.position.upgrade(structuredClone(batch.position), source.position.version);
    found.push({ read, rest: await elementsOf(source, { ...reading, position }) });
  }
  return found;
}
