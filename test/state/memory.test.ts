import { createMemoryBackend } from '../../src/state/memory/backend.js';
import { backendContract, changesContract } from './contract.js';
import type { BackendFactory } from './harness.js';

const variants: Record<string, BackendFactory> = {
  memory: (options) => createMemoryBackend(options),
  // Looking at the deadline after each row makes slices end at every place there is.
  'memory, one row a look': (options) => createMemoryBackend(options, 1),
};
for (const [name, create] of Object.entries(variants)) {
  backendContract(name, create, { exactCounts: true });
  changesContract(name, create, { exactCounts: true });
}
