/** Reads a file from a position to its end, once; what it inflates to, where it is gzip. */
import { join } from 'node:path';
import { TidemarkError } from '../../base/errors.js';
import type { Batch, ReadRequest } from '../../graph/source.js';
import { inflated } from './gunzip.js';
import { type Format, OpenFile, openIfThere } from './open-file.js';
import { type FilePosition, Fingerprint } from './position.js';

type Place = Pick<ReadRequest<FilePosition>, 'disk' | 'position' | 'signal'>;

export async function* readOnce<T>(
  request: ReadRequest<FilePosition>,
  base: string,
  format: Format<T>,
): AsyncGenerator<Batch<T, FilePosition>, void, undefined> {
  const { signal } = request;
  let open: OpenFile<T> | undefined;
  try {
    open = await openAt(request, base, format);
    while (!signal.aborted) {
      const batch = await open.next(request.batch, true, request.until);
      if (batch === undefined) return;
      yield batch;
    }
  } catch (error) {
    // A reader that was told to stop on its way to the position has not failed.
    if (!signal.aborted) throw error;
  } finally {
    await open?.file.close();
  }
}

/** Opens the file and looks whether what stands before the position was read; throws what `readOnce` would. */
export async function checkOnce(place: Place, base: string, format: Format<unknown>): Promise<void> {
  const open = await openAt(place, base, format);
  await open.file.close();
}

async function openAt<T>({ disk, position, signal }: Place, base: string, format: Format<T>) {
  const name = join(base, position.path);
  const plain = await openIfThere(disk, name);
  if (plain === undefined) {
    throw new TidemarkError('FILE_NOT_FOUND', `${name} is gone; it was read up to byte ${position.offset}`, {
      hint: 'put the file back, or start a new job',
    });
  }
  let file = plain;
  try {
    file = await inflated(plain, name, format.gzip, signal);
    const print = await Fingerprint.resume(file, position);
    if (print === undefined)
      throw changed(name, position.offset, 'what stands before it is not what was read');
    if (print.endsInsideLine && (await file.read(Buffer.alloc(1), position.offset)) > 0)
      throw changed(name, position.offset, 'the last line had no end then and goes on now');
    const { path } = position;
    return new OpenFile<T>({ path, name, file, format, print, position, identity: undefined });
  } catch (error) {
    await file.close();
    throw error;
  }
}

function changed(name: string, offset: number, why: string): TidemarkError {
  return new TidemarkError(
    'SOURCE_CHANGED',
    `${name} has changed since it was read up to byte ${offset}: ${why}`,
    {
      hint: 'put the file back as it was, or start a new job; files that are rotated need files(…, { follow: true })',
    },
  );
}
