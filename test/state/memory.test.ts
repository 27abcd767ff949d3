import { createMemoryBackend } from '../../src/state/memory/backend.js';
import { backendContract } from './contract.js';

backendContract('memory', (options) => createMemoryBackend(options));
// Looking at the deadline after each row makes slices end at every place there is.
backendContract('memory, one row a look', (options) => createMemoryBackend(options, 1));
