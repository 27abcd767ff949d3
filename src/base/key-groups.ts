/**
 * Which subtask owns which key, exactly as in Apache Flink (`KeyGroupRangeAssignment`, `MathUtils.murmurHash`),
 * so that state can move between the two by copying.
 */
import { assert } from './assert.js';

/** The most key groups an operator may have. */
export const MAX_PARALLELISM = 32_768;
const LEAST_DEFAULT_MAX_PARALLELISM = 128;

/** Key groups `start` to `end`, both included. Empty when `end < start`. */
export interface KeyGroupRange {
  readonly start: number;
  readonly end: number;
}

/** Flink's `MathUtils.murmurHash`: MurmurHash3 finalisation of one 32-bit word, made non-negative. */
export function murmurHash(code: number): number {
  let h = Math.imul(code, 0xcc9e2d51);
  h = (h << 15) | (h >>> 17);
  h = Math.imul(h, 0x1b873593);
  h = (h << 13) | (h >>> 19);
  h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  h ^= 4;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  if (h >= 0) return h;
  return h === -0x8000_0000 ? 0 : -h;
}

/** The key group of a key with this Java hash code. */
export function keyGroupOf(hashCode: number, maxParallelism: number): number {
  return murmurHash(hashCode) % maxParallelism;
}

/** The subtask that owns a key group. */
export function subtaskOf(group: number, parallelism: number, maxParallelism: number): number {
  return Math.floor((group * parallelism) / maxParallelism);
}

/** The key groups of one subtask. */
export function rangeOf(subtask: number, parallelism: number, maxParallelism: number): KeyGroupRange {
  assert(
    parallelism <= maxParallelism,
    `parallelism ${parallelism} is over the maximum of ${maxParallelism}`,
  );
  return {
    start: Math.ceil((subtask * maxParallelism) / parallelism),
    end: Math.ceil(((subtask + 1) * maxParallelism) / parallelism) - 1,
  };
}

/** The maxParallelism of a job that names none: at least 128, half again its parallelism, a power of two. */
export function defaultMaxParallelism(parallelism: number): number {
  const wanted = parallelism + Math.floor(parallelism / 2);
  let power = 1;
  while (power < wanted) power *= 2;
  return Math.min(Math.max(power, LEAST_DEFAULT_MAX_PARALLELISM), MAX_PARALLELISM);
}
