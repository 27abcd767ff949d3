/** The sink that keeps elements in memory, for tests. */
import type { SinkSpec } from '../graph/sink.js';

/** Appends every element to `into`. At-least-once, and only within one process. */
export function collect<T>(into: T[]): SinkSpec<T, never> {
  return {
    kind: 'collect',
    describe: 'memory',
    open: () => ({
      write(elements) {
        for (const element of elements) into.push(element);
      },
    }),
  };
}
