/** Gives a fresh data thread the state of a completed checkpoint, block by block, in bounded memory. */

import type { Disk } from '../base/disk.js';
import { TidemarkError } from '../base/errors.js';
import type { HomePaths } from '../base/home.js';
import type { Catalog } from '../catalog/catalog.js';
import type { CheckpointRecord } from '../catalog/records.js';
import { decodeManifest, type Manifest } from '../format/manifest.js';
import { SegmentReader } from '../format/segment.js';
import { incompatibilities } from '../restore/compatible.js';
import type { Table } from '../runtime/tables.js';
import type { Attempt } from './attempt.js';
import type { GraphFacts } from './protocol.js';

export interface Recovery {
  readonly checkpoint: CheckpointRecord;
  readonly manifest: Manifest;
}

/** What an attempt starts from: the last completed checkpoint, else the beginning. */
export function findRecovery(catalog: Catalog, job: string): Recovery | undefined {
  const checkpoint = catalog.lastCompleted(job);
  if (checkpoint === undefined) return undefined;
  return { checkpoint, manifest: decodeManifest(checkpoint.manifest, `checkpoint ${job}@${checkpoint.id}`) };
}

/** @throws INCOMPATIBLE with all findings when the checkpoint does not fit the graph. */
export function checkFits(manifest: Manifest, facts: GraphFacts): void {
  const findings = incompatibilities(manifest, facts);
  if (findings.length === 0) return;
  const lines = findings.map(
    ({ operator, state, message }) => `  ${state === '' ? operator : `${operator}.${state}`}: ${message}`,
  );
  throw new TidemarkError(
    'INCOMPATIBLE',
    `the definition does not fit the job's state:\n${lines.join('\n')}`,
    {
      hint: "give renamed operators and states formerly: ['old name'], or resume with the old definition",
    },
  );
}

/** Streams every entry to the attempt and lets it go. */
export async function feed(
  attempt: Attempt,
  recovery: Recovery | undefined,
  { disk, home }: { readonly disk: Disk; readonly home: HomePaths },
): Promise<void> {
  if (recovery !== undefined) {
    attempt.send({ type: 'tables', tables: recovery.manifest.tables as readonly Table[] });
    for (const name of recovery.checkpoint.segments) {
      const reader = await SegmentReader.open(disk, home.segments, name);
      try {
        for await (const block of reader.blocks()) await attempt.restore(block.payload, block.entries);
      } finally {
        await reader.close();
      }
    }
  }
  attempt.send({ type: 'go', beginning: { barrierTime: recovery?.manifest.barrierTime, fromOrigin: false } });
}
