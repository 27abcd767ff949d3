/**
 * What savepoints and restores are compared with: one thread, one loop, the same codecs, the same compression.
 * Each runs in a thread of its own, which has as little behind it as those of the other side.
 */
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import { openArchive } from '../../src/archive/read.js';
import { keyGroupOf } from '../../src/base/key-groups.js';
import { realDisk } from '../../src/base/real-disk.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { ByteReader } from '../../src/codec/reader.js';
import { valueCodec } from '../../src/codec/value.js';
import { BLOCK_BYTES, decodeList, decodeSlot, METHOD, SLOT_BYTES } from '../../src/format/archive-layout.js';
import { tableMember } from '../../src/format/archive-manifest.js';
import { EntryWriter, readEntry } from '../../src/format/entry.js';
import { keyNamed, numberOf } from './jobs/keys.js';
import { sharedNow } from './measured-job.js';

const GROUPS = 128;
/** More than any entry takes. */
const ENTRY_BYTES = 64;

type Task =
  | { readonly kind: 'save'; readonly keys: number; readonly output: string }
  | { readonly kind: 'restore'; readonly archive: string };

/** Milliseconds to encode, sort, hash, compress and write so many entries that are in memory. */
export function saveBare(keys: number, output: string): Promise<number> {
  return run({ kind: 'save', keys, output });
}

/** Milliseconds to read, check, inflate, decode an archive's keyed state, and to put it into Maps. */
export function restoreBare(archive: string): Promise<number> {
  return run({ kind: 'restore', archive });
}

function run(task: Task): Promise<number> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { bare: task } });
  return new Promise((resolve, reject) => {
    worker.on('message', resolve);
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`the bare loop ended with ${code}`)));
  });
}

function saveHere(count: number, output: string): number {
  const state = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const key = keyNamed(i, count);
    state.set(key, numberOf(key));
  }
  const from = sharedNow();
  const keys = keyCodecById('auto');
  const groups = Array.from({ length: GROUPS }, (): string[] => []);
  for (const key of state.keys()) groups[keyGroupOf(keys.hash(key), GROUPS)]?.push(key);
  const file = openSync(output, 'w');
  const hash = createHash('sha256');
  const block = Buffer.allocUnsafe(BLOCK_BYTES + ENTRY_BYTES);
  const full = (_: Buffer, used: number) => {
    hash.update(block.subarray(0, used));
    writeSync(file, deflateRawSync(block.subarray(0, used), { level: 1 }));
  };
  const writer = new EntryWriter({ take: () => block, full }, BLOCK_BYTES);
  for (const [group, own] of groups.entries()) {
    // Strings of ASCII and of one length are in the order of their bytes, and sort faster.
    for (const key of own.sort()) {
      writer.begin(0, group);
      writer.key(keys, key);
      writer.value(valueCodec, state.get(key) ?? 0);
    }
    writer.flush();
  }
  hash.digest();
  fsyncSync(file);
  closeSync(file);
  return sharedNow() - from;
}

async function restoreHere(path: string): Promise<number> {
  const archive = await openArchive(realDisk, path);
  const { manifest } = archive;
  await archive.close();
  const from = sharedNow();
  const file = readFileSync(path);
  const keys = keyCodecById('auto');
  const maps: Map<unknown, unknown>[] = [];
  for (const { name, offset, length, sha256 } of manifest.members) {
    const table = manifest.tables.find(({ id }) => tableMember(id) === name);
    const member = file.subarray(offset, offset + length);
    if (createHash('sha256').update(member).digest('hex') !== sha256) throw new Error('a wrong hash');
    const groups = table?.kind === 'number' ? GROUPS : 0;
    for (let group = 0; group < groups; group++) readGroup(member, group);
  }
  const took = sharedNow() - from;
  if (maps.reduce((sum, { size }) => sum + size, 0) < manifest.entries - 1)
    throw new Error('keys are missing');
  return took;

  function readGroup(member: Buffer, group: number): void {
    const directory = member.length - GROUPS * SLOT_BYTES;
    const slot = decodeSlot(member, directory + group * SLOT_BYTES, directory);
    if (slot === undefined) return;
    const map = new Map<unknown, unknown>();
    maps[group] = map;
    let at = slot.offset;
    const list = member.subarray(at + slot.stored, at + slot.stored + slot.listBytes);
    for (const { stored, crc, method, entries } of decodeList(list, slot)) {
      const block = member.subarray(at, at + stored);
      at += stored;
      if (crc32(block) !== crc) throw new Error('a wrong checksum');
      const bytes = new ByteReader(method === METHOD.stored ? block : inflateRawSync(block));
      for (let i = 0; i < entries; i++) {
        const { key, value } = readEntry(bytes);
        map.set(keys.read(new ByteReader(key)), valueCodec.read(new ByteReader(value)));
      }
    }
  }
}

const { bare } = (workerData ?? {}) as { readonly bare?: Task };
if (!isMainThread && bare !== undefined) {
  parentPort?.postMessage(
    bare.kind === 'save' ? saveHere(bare.keys, bare.output) : await restoreHere(bare.archive),
  );
}
