/**
 * The contract of src/state/backend.ts as test suites: run them on every backend.
 *
 * `modes`: what it can hold in a freeze. `order`: in which order it iterates maps; a backend that lets go of what it
 * has in memory may have another than that of insertion.
 */
import { describe } from 'node:test';
import { changesProperties } from './changes-properties.js';
import { lostChanges, whatIsWritten, whileDraining } from './contract-changes.js';
import { draining, refusing } from './contract-draining.js';
import { fading } from './contract-fading.js';
import { fadingChanges } from './contract-fading-changes.js';
import { handles, timers } from './contract-handles.js';
import { panes } from './contract-panes.js';
import { restoring } from './contract-restoring.js';
import type { BackendFactory, MapOrder, Mode } from './harness.js';
import { modelProperties } from './model-properties.js';

export interface ContractOptions {
  readonly modes?: readonly Mode[];
  readonly order?: MapOrder;
  /** Whether what has expired is not counted at once, rather than from the next freeze on. */
  readonly exactCounts?: boolean;
}

/** What holds in every mode. */
export function backendContract(name: string, create: BackendFactory, options: ContractOptions = {}): void {
  const { modes = ['all', 'changes'], order = 'insertion', exactCounts } = options;
  for (const mode of modes) {
    const setup = { create, mode, order, exactCounts };
    const title = `${name}, snapshots of ${mode}`;
    describe(`${title}: handles`, () => handles(setup));
    describe(`${title}: timers`, () => timers(setup));
    describe(`${title}: panes`, () => panes(setup));
    describe(`${title}: what expires`, () => fading(setup));
    describe(`${title}: freeze and drain`, () => draining(setup));
    describe(`${title}: what is refused`, () => refusing(setup));
    describe(`${title}: restore`, () => restoring(setup));
    describe(`${title}: against a model`, () => modelProperties(setup));
  }
}

/** What holds of snapshots of changes alone. */
export function changesContract(name: string, create: BackendFactory, options: ContractOptions = {}): void {
  const { order = 'insertion', exactCounts } = options;
  const setup = { create, mode: 'changes', order, exactCounts } as const;
  describe(`${name}, changes: what is written`, () => whatIsWritten(setup));
  describe(`${name}, changes: while a drain runs`, () => whileDraining(setup));
  describe(`${name}, changes: what was not kept`, () => lostChanges(setup));
  describe(`${name}, changes: what expires`, () => fadingChanges(setup));
  describe(`${name}, changes: against a model`, () => changesProperties(setup));
}
