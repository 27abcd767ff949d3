/** Puts blocks of entries together into fewer, larger ones, each in memory of its own, so that it can change hands. */

export interface Block {
  readonly payload: Buffer;
  readonly entries: number;
}

/**
 * Blocks of at most `bytes`, unless one that comes is larger. A payload that is given out begins its memory, of which
 * it is the only user.
 */
export async function* gather(blocks: AsyncIterable<Block>, bytes: number): AsyncGenerator<Block, void> {
  let room: Buffer | undefined;
  let used = 0;
  let entries = 0;
  for await (const block of blocks) {
    const { length } = block.payload;
    if (room !== undefined && used + length > room.length) {
      yield { payload: room.subarray(0, used), entries };
      room = undefined;
      used = 0;
      entries = 0;
    }
    room ??= Buffer.allocUnsafeSlow(Math.max(bytes, length));
    room.set(block.payload, used);
    used += length;
    entries += block.entries;
  }
  if (room !== undefined) yield { payload: room.subarray(0, used), entries };
}
