/**
 * Which renames does a change look like? Pure: what is missing against what is new and has the same shape. Where there
 * are several, names that are alike go together.
 */
import * as advise from './advice.js';
import { findOperator, type NewGraph, type NewOperator, type NewTable } from './compatible.js';
import { isTimer, nameOf, type SnapshotOperator, type SnapshotShape, type SnapshotTable } from './shape.js';
import { similarity } from './similarity.js';

/** Of what is missing, and of what is new, this many are looked at. */
const MAX_LOOKED = 200;
/** What a new operator has of the states of a missing one, at least, to be taken for it. */
const ENOUGH = 0.5;

/** Advice by missing table. `missing` are the snapshot's, `fresh` what the definition has that nothing goes to. */
export function renames(
  missing: readonly SnapshotTable[],
  fresh: readonly NewTable[],
  old: SnapshotShape,
  graph: NewGraph,
): ReadonlyMap<SnapshotTable, string> {
  const lost = missing.slice(0, MAX_LOOKED);
  const gone = old.operators.filter(
    ({ uid }) =>
      findOperator(uid, graph.operators) === undefined && lost.some(({ operator }) => operator === uid),
  );
  const come = graph.operators.filter(
    ({ uid, formerly }) => !old.operators.some((was) => was.uid === uid || formerly.includes(was.uid)),
  );
  return new Map([
    ...renamedOperators(lost, gone, come.slice(0, MAX_LOOKED), graph),
    ...renamedStates(lost, fresh.slice(0, MAX_LOOKED), graph),
  ]);
}

interface Pair<A, B> {
  readonly was: A;
  readonly is: B;
  readonly score: number;
}

/** The best pairs first, each one in one pair only. */
function pairUp<A, B>(
  olds: readonly A[],
  news: readonly B[],
  score: (was: A, is: B) => number | undefined,
): readonly Pair<A, B>[] {
  const pairs = olds.flatMap((was) =>
    news.flatMap((is) => {
      const found = score(was, is);
      return found === undefined ? [] : [{ was, is, score: found }];
    }),
  );
  const [wases, ises] = [new Set<A>(), new Set<B>()];
  return pairs
    .sort((a, b) => b.score - a.score)
    .filter(({ was, is }) => {
      if (wases.has(was) || ises.has(is)) return false;
      wases.add(was);
      ises.add(is);
      return true;
    });
}

function renamedStates(
  lost: readonly SnapshotTable[],
  fresh: readonly NewTable[],
  graph: NewGraph,
): readonly (readonly [SnapshotTable, string])[] {
  const pairs = pairUp(lost, fresh, (was, is) => {
    const operator = findOperator(was.operator, graph.operators);
    if (operator?.uid !== is.operator || was.name === '' || !sameShape(was, is)) return undefined;
    return similarity(was.name, is.name);
  });
  return pairs.map(({ was, is }) => [
    was,
    isTimer(was) ? advise.renamedTimer(was, is) : advise.renamed(was.name, nameOf(is), is.formerly),
  ]);
}

function renamedOperators(
  lost: readonly SnapshotTable[],
  gone: readonly SnapshotOperator[],
  come: readonly NewOperator[],
  graph: NewGraph,
): readonly (readonly [SnapshotTable, string])[] {
  const pairs = pairUp(gone, come, (was, is) => {
    if (was.keyType !== is.keyType || (was.kind ?? is.kind) !== (is.kind ?? was.kind)) return undefined;
    const own = lost.filter(({ operator }) => operator === was.uid);
    const theirs = graph.tables.filter(({ operator }) => operator === is.uid);
    const share = sharedStates(own, theirs);
    return share < ENOUGH ? undefined : share + similarity(was.uid, is.uid);
  });
  return pairs.flatMap(({ was, is }) =>
    lost
      .filter(({ operator }) => operator === was.uid)
      .map((table) => [table, advise.renamed(was.uid, is.uid, is.formerly)] as const),
  );
}

/** From 0 to 1: the share of old states that are there, one under another name counting half. */
function sharedStates(own: readonly SnapshotTable[], theirs: readonly NewTable[]): number {
  const pairs = pairUp(own, theirs, (was, is) => {
    if (!sameShape(was, is)) return undefined;
    return was.name === is.name ? 1 : 0.5;
  });
  return pairs.reduce((sum, { score }) => sum + score, 0) / own.length;
}

function sameShape(was: SnapshotTable, is: NewTable): boolean {
  return (
    was.kind === is.kind &&
    was.codec.id === is.codec.id &&
    was.mapKey === is.mapKey &&
    was.schemaVersion <= is.schemaVersion &&
    (was.window ?? is.window)?.assign.kind === (is.window ?? was.window)?.assign.kind
  );
}
