/** Writes a snapshot of a test job as the savepoint's archive that a job would have made. */
import { writeArchive } from '../../src/archive/write.js';
import { operatorId } from '../../src/base/operator-id.js';
import { realDisk } from '../../src/base/real-disk.js';
import type { Definition } from '../../src/graph/definition.js';
import type { Graph } from '../../src/graph/node.js';
import { resolveParams } from '../../src/graph/param.js';
import { windowOf } from '../../src/job/graph-facts.js';
import type { TakenSnapshot } from '../../src/testing.js';
import { PROJECT } from '../crash/harness.js';

interface Taken {
  readonly params?: Readonly<Record<string, string>>;
  readonly drained?: boolean;
  readonly cwd?: string;
  readonly parallelism?: number;
}

/** `path` may not be there yet; `folder` is for what is written on the way. */
export async function archiveOf(
  definition: Definition,
  snapshot: TakenSnapshot,
  path: string,
  folder: string,
  { params = {}, drained = false, cwd = PROJECT, parallelism = 2 }: Taken = {},
): Promise<void> {
  async function* blocks() {
    for (const { payload, entries } of snapshot.chunks) yield { payload: Buffer.from(payload), entries };
  }
  const graph = definition.build(resolveParams(definition.params, params, {}));
  const prepared = await writeArchive({
    disk: realDisk,
    spoolFolder: folder,
    tables: snapshot.tables.map((table) => ({
      ...table,
      ...windowOf(graph, table),
      entries: 0,
      bytes: 0,
    })),
    operators: operatorsOf(graph).map((operator) => ({
      ...operator,
      operatorId: operatorId(operator.uid),
      maxParallelism: snapshot.maxParallelism,
    })),
    blocks: blocks(),
    kind: 'savepoint',
    drained,
    provenance: {
      job: { id: '0123456789ab', name: definition.name },
      attempt: 1,
      checkpointId: snapshot.checkpoint,
      parallelism,
      time: 0,
      barrierTime: snapshot.barrierTime,
      host: 'test',
      toolVersion: 'test',
      reason: null,
      parentDigest: null,
      bundleHash: null,
      definitionFile: null,
      gitCommit: null,
      params,
      cwd,
      lineage: [],
      targets: [],
    },
    output: { path },
  });
  await prepared.commit();
}

interface Stateful {
  readonly uid: string;
  readonly kind: 'source' | 'process' | 'sink';
  readonly keyType: string | null;
}

function operatorsOf({ nodes }: Graph): readonly Stateful[] {
  return nodes.flatMap((node): readonly Stateful[] => {
    if (node.kind === 'source' || node.kind === 'sink')
      return [{ uid: node.uid, kind: node.kind, keyType: null }];
    if (node.kind !== 'process' && node.kind !== 'window') return [];
    const keyBy = nodes[node.input];
    return [{ uid: node.uid, kind: 'process', keyType: keyBy?.kind === 'keyBy' ? keyBy.codec.id : 'auto' }];
  });
}
