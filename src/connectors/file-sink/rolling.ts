/** When a part is closed, and the next begun. Pure. */

export interface PartLimits {
  /** Bytes of text, before compression; Infinity: none. */
  readonly size: number;
  /** Milliseconds from its first element; Infinity: none. */
  readonly every: number;
}

export interface PartSoFar {
  /** Bytes of text, with its header. */
  readonly size: number;
  readonly lines: number;
  /** On the monotonic clock. */
  readonly began: number;
}

/** Whether so many bytes more would make the part larger than it may be. One element alone may. */
export function isFull(part: PartSoFar, more: number, limits: PartLimits): boolean {
  return part.lines > 0 && part.size + more > limits.size;
}

export function isOld(part: PartSoFar, now: number, limits: PartLimits): boolean {
  return part.lines > 0 && now - part.began >= limits.every;
}
