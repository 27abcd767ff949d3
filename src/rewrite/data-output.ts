/** Where exported data goes: a stream as it comes, or a file that has no name before it is complete and durable. */
import { basename, dirname, join } from 'node:path';
import { type ArchiveOutput, checkOutput, giveName } from '../archive/output.js';
import { coded } from '../archive/write.js';
import type { Disk } from '../base/disk.js';
import { type Random, systemRandom } from '../base/random.js';
import { UNFINISHED_SUFFIX } from '../format/segment.js';

/** Characters of text that are written at once. */
const BATCH = 64 * 1024;

/** A file under a temporary name beside its own. */
export interface UnfinishedFile {
  readonly temporary: string;
  /** Makes it durable under its name. @throws FILE_EXISTS */
  commit(): Promise<void>;
  /** Removes it, if that can be done. Does nothing after `commit`. */
  discard(): Promise<void>;
}

/** @throws FILE_EXISTS before anything is written */
export async function unfinishedFile(
  disk: Disk,
  output: Extract<ArchiveOutput, { path: string }>,
  random: Random = systemRandom,
): Promise<UnfinishedFile> {
  const { path, force = false } = output;
  const doing = `writing ${path}`;
  await coded(() => checkOutput(disk, output), doing);
  const unique = Buffer.from(random.bytes(6)).toString('hex');
  const temporary = join(dirname(path), `.${basename(path)}.${unique}${UNFINISHED_SUFFIX}`);
  let committed = false;
  return {
    temporary,
    async commit() {
      await coded(async () => {
        const file = await disk.create(temporary);
        await file.sync().finally(() => file.close());
        await giveName(disk, temporary, path, force);
      }, doing);
      committed = true;
    },
    async discard() {
      if (!committed) await disk.remove(temporary).catch(() => undefined);
    },
  };
}

/** Text, written many lines at a time. */
export class TextOut {
  readonly #write: (bytes: Buffer) => Promise<void>;
  #text = '';

  constructor(write: (bytes: Buffer) => Promise<void>) {
    this.#write = write;
  }

  async add(text: string): Promise<void> {
    this.#text += text;
    if (this.#text.length >= BATCH) await this.flush();
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    if (text !== '') await this.#write(Buffer.from(text));
  }
}

/** Runs `act` with text that goes to `output`; under its name is nothing unless all went well. */
export async function withTextOut(
  disk: Disk,
  output: ArchiveOutput,
  act: (out: TextOut) => Promise<void>,
): Promise<void> {
  if ('stream' in output) {
    const out = new TextOut(output.stream);
    await act(out);
    return await out.flush();
  }
  const unfinished = await unfinishedFile(disk, output);
  const doing = `writing ${output.path}`;
  try {
    const file = await coded(() => disk.create(unfinished.temporary, { exclusive: true }), doing);
    try {
      const out = new TextOut((bytes) => coded(() => file.append(bytes), doing));
      await act(out);
      await out.flush();
    } finally {
      await file.close();
    }
    await unfinished.commit();
  } catch (error) {
    await unfinished.discard();
    throw error;
  }
}
