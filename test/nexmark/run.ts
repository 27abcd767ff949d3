/**
 * A query of Nexmark over its history: to the end at once, or with three crashes and a rescale on the way. Its source is
 * the real one; what its sink has committed is kept outside of all attempts, as lines.
 */
import assert from 'node:assert/strict';
import type { Definition } from '../../src/graph/definition.js';
import type { Graph, GraphNode } from '../../src/graph/node.js';
import { resolveParams } from '../../src/graph/param.js';
import type { SinkSpec } from '../../src/graph/sink.js';
import { History, type Storage, type Target } from '../time/history.js';

export const EVENTS = 200_000;
export const SPLITS = 4;
const MAX_PARALLELISM = 128;
/** Bytes: as in a job, of which there are fewer than elsewhere in tests. */
const CHUNK = 64 * 1024;

export interface Course {
  readonly storage: Storage;
  readonly parallelism: number;
  /** The parallelism that it goes on with; undefined: nothing happens to it. */
  readonly rescaled: number | undefined;
  /** From what it is rescaled: the archive of a savepoint, or a checkpoint in the crash that follows it. */
  readonly from: 'savepoint' | 'checkpoint';
}

export interface Changes {
  /** What runs in the place of a node. */
  replace?(node: GraphNode): GraphNode;
  /** Before the first step. */
  begun?(history: History): void;
  /** After each step, with the events read so far; those that a crash took back do not count. */
  stepped?(read: number): void;
}

/** A sink of lines, given what becomes one. */
function jsonLines<X>(sink: SinkSpec<string, X>): SinkSpec<unknown, X> {
  return {
    ...sink,
    async open(context) {
      const writer = await sink.open(context);
      return {
        write: (rows) => writer.write(rows.map((row) => JSON.stringify(row))),
        prepare: async (checkpoint) => writer.prepare?.(checkpoint),
      };
    },
  };
}

function graphOf(definition: Definition, target: Target, replace: NonNullable<Changes['replace']>): Graph {
  const params = { events: String(EVENTS), splits: String(SPLITS) };
  const { nodes } = definition.build(resolveParams(definition.params, params, {}));
  return {
    nodes: nodes.map((node): GraphNode => {
      if (node.kind === 'sink') return { ...node, sink: jsonLines(target.sink()) as typeof node.sink };
      return replace(node);
    }),
  };
}

/** The lines that the query has committed when all is over. */
export async function run(
  definition: Definition,
  { storage, parallelism, rescaled, from }: Course,
  { replace = (node) => node, begun, stepped }: Changes = {},
): Promise<readonly string[]> {
  const history = await History.begin({
    build: (target) => graphOf(definition, target, replace),
    storage,
    parallelism,
    maxParallelism: MAX_PARALLELISM,
    sameInput: true,
    chunk: CHUNK,
  });
  begun?.(history);
  /** Events whose reading counts: those after the last snapshot are read again after a crash. */
  let saved = 0;
  const read = () => saved + history.dataflow.elements;
  const readUpTo = async (share: number) => {
    while (read() < share * EVENTS && (await history.step())) stepped?.(read());
  };
  const crash = async (end: 'committed' | 'completed', lost: number, next = parallelism) => {
    const at = read();
    await history.obey({ kind: 'snapshot', stepsBetween: 3, end });
    await readUpTo(lost);
    await history.obey({ kind: 'crash', parallelism: next });
    saved = at;
  };
  if (rescaled !== undefined) {
    await readUpTo(0.2);
    await crash('committed', 0.25);
    await readUpTo(0.4);
    await crash('completed', 0.41, from === 'checkpoint' ? rescaled : parallelism);
    await readUpTo(0.6);
    if (from === 'savepoint') {
      saved = read();
      await history.obey({ kind: 'savepoint', parallelism: rescaled, storage });
    }
    await readUpTo(0.7);
    await crash('committed', 0.8, rescaled);
  }
  await readUpTo(1);
  await history.finish();
  assert.equal(read(), EVENTS, 'all events were read');
  return history.target.lines;
}
