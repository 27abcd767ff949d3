/** Below this a loop is faster than a call out of JavaScript. */
const FEW_BYTES = 64;

/** Copies `source[start..end)` to `target` at `at`; returns where that ends. */
export function copyBytes(source: Buffer, start: number, end: number, target: Buffer, at: number): number {
  const length = end - start;
  if (length > FEW_BYTES) source.copy(target, at, start, end);
  else for (let i = 0; i < length; i++) target[at + i] = source[start + i] as number;
  return at + length;
}
