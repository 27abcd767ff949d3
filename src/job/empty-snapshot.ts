/** What an archive of a definition's would have in it before anything has run: for one that is made from nothing. */

import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { TableShape } from '../archive/table-list.js';
import type { Clock } from '../base/clock.js';
import { homePaths } from '../base/home.js';
import { newJobId } from '../base/ids.js';
import { operatorId } from '../base/operator-id.js';
import type { Random } from '../base/random.js';
import { realDisk } from '../base/real-disk.js';
import type { ManifestOperator } from '../format/manifest.js';
import type { Provenance } from '../format/provenance.js';
import { resolveSettings, type SettingsFlags } from '../graph/resolve-settings.js';
import { describeDefinition } from './describe-definition.js';
import { gitCommitOf } from './git-commit.js';
import { graphOfBundle } from './graph-of-bundle.js';
import type { TableFacts } from './protocol.js';
import { TOOL_VERSION } from './tool-version.js';

export interface EmptyOptions {
  readonly definition: string;
  readonly params: Readonly<Record<string, string>>;
  readonly flags: Pick<SettingsFlags, 'maxParallelism'>;
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly reason: string | null;
  readonly clock: Clock;
  readonly random: Random;
}

export interface EmptySnapshot {
  readonly operators: readonly ManifestOperator[];
  /** Without those of sinks' transactions. */
  readonly tables: readonly TableShape[];
  /** Of a job that never ran; its state includes no transactions. */
  readonly provenance: Provenance;
}

/** Leaves nothing behind. Rejects with what `describeDefinition` does. */
export async function emptySnapshot(options: EmptyOptions): Promise<EmptySnapshot> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-import-'));
  try {
    return await snapshotIn(folder, options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function snapshotIn(folder: string, options: EmptyOptions): Promise<EmptySnapshot> {
  const { params, flags, cwd, environment, reason, clock, random } = options;
  const file = resolve(cwd, options.definition);
  const home = homePaths(folder);
  const store = { disk: realDisk, home };
  const described = await describeDefinition(file, { params, environment, overrides: flags, store });
  const settings = resolveSettings(described.settings, flags);
  const bundle = described.bundle.hash;
  const job = { id: newJobId(clock, random), name: described.name };
  const facts = await graphOfBundle({ bundle: home.bundle(bundle), job, params, cwd }, settings);
  const now = clock.now();
  return {
    operators: facts.operators.map(({ uid, kind, keyType }) => ({
      uid,
      operatorId: operatorId(uid),
      kind,
      maxParallelism: settings.maxParallelism,
      keyType,
    })),
    tables: facts.tables.filter(({ kind }) => kind !== 'transactions').map(shapeOf),
    provenance: {
      job,
      attempt: 1,
      checkpointId: 1,
      parallelism: settings.parallelism,
      time: now,
      barrierTime: now,
      host: hostname(),
      toolVersion: TOOL_VERSION,
      reason,
      parentDigest: null,
      bundleHash: bundle,
      definitionFile: file,
      gitCommit: await gitCommitOf(dirname(file)),
      lineage: [],
      targets: facts.targets,
      // Secrets are no flags: what was given may be kept.
      params,
      cwd,
    },
  };
}

/** What a table is, without what only the definition needs. */
function shapeOf(facts: TableFacts): TableShape {
  const { id, operator, name, kind, codec, schemaVersion, mapKey, window } = facts;
  const shape = { id, operator, name, kind, codec, schemaVersion, mapKey };
  return window === undefined ? shape : { ...shape, window };
}
