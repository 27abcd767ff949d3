/** Where the bytes of a run come from. */
import type { Disk } from '../base/disk.js';
import { systemCode } from '../base/errors.js';
import { SEGMENT_NAME, segmentPath } from '../format/segment.js';
import { segmentCorrupt } from '../format/segment-corrupt.js';

/** A file, or a window of one: the member of an archive. */
export interface RunSource {
  /** Reads up to `into.length` bytes at `offset`; 0 means the end. */
  read(into: Uint8Array, offset: number): Promise<number>;
  /** How many there are. */
  readonly bytes: number;
  /** What errors call it. */
  readonly label: string;
  close(): Promise<void>;
}

/** The segment of that name. @throws TidemarkError SEGMENT_CORRUPT when it is not there. */
export async function fileSource(disk: Disk, folder: string, name: string): Promise<RunSource> {
  const label = `segment ${name.slice(0, 64)}`;
  if (!SEGMENT_NAME.test(name)) throw segmentCorrupt(label, 0, 'this is no name of a segment');
  try {
    const file = await disk.open(segmentPath(folder, name));
    const { size } = await file.stat();
    const read = (into: Uint8Array, offset: number) => file.read(into, offset);
    return { read, bytes: size, label, close: () => file.close() };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') throw segmentCorrupt(label, 0, 'the file is missing');
    throw error;
  }
}

/** Fills `into` from the bytes at `offset`. @throws TidemarkError SEGMENT_CORRUPT when there are not that many. */
export async function readFully(source: RunSource, into: Buffer, offset: number): Promise<Buffer> {
  for (let at = 0; at < into.length; ) {
    const count = await source.read(into.subarray(at), offset + at);
    if (count === 0) throw segmentCorrupt(source.label, offset + at, 'the file ends too early');
    at += count;
  }
  return into;
}
