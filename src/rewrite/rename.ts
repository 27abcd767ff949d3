/**
 * `--rename old=new`: operators (`uid=new`) and states (`uid.state=new`, `uid.state=uid.new`). All renames happen at
 * once, so that two may swap their names; a state stays with its operator. Pure.
 */
import type { Findings } from './findings.js';
import { cutAtEquals, labelOf, type Named, unknownOperator, unknownState } from './names.js';

/** Why something cannot be called so; undefined when it can (graph/names.ts). */
export type NameProblem = (what: string, name: string) => string | undefined;

export interface Renames {
  /** The new uid of an operator. */
  operator(uid: string): string;
  /** The new name of a table. */
  state(table: Named): string;
}

/** `uids`, `tables`: what there is and is not dropped. What is wrong goes to `findings`. */
export function readRenames(
  texts: readonly string[],
  uids: readonly string[],
  tables: readonly Named[],
  nameProblem: NameProblem,
  findings: Findings,
): Renames {
  const operators = new Map<string, string>();
  const states = new Map<string, string>();
  const labels = new Set(tables.map(labelOf));
  const refuse = (text: string, message: string) => findings.add('USAGE', `--rename ${text}: ${message}`);

  const readOne = (text: string): void => {
    const cut = cutAtEquals(text, (left) => uids.includes(left) || labels.has(left));
    if (cut === undefined) return refuse(text, 'expected old=new');
    const { left, right } = cut;
    if (operators.has(left) || states.has(left)) return refuse(text, `${left} is renamed twice`);
    if (left.includes('.')) return readState(text, left, right);
    if (!uids.includes(left))
      return findings.add('STATE_NOT_FOUND', `--rename ${text}: ${unknownOperator(left, uids)}`);
    const problem = nameProblem('uid', right);
    if (problem !== undefined) return refuse(text, problem);
    operators.set(left, right);
  };

  const readState = (text: string, left: string, right: string): void => {
    if (!labels.has(left))
      return findings.add('STATE_NOT_FOUND', `--rename ${text}: ${unknownState(left, tables)}`);
    if (tables.some((table) => labelOf(table) === left && table.name === ''))
      return refuse(text, `${left} has no name of its own: rename its operator`);
    const name = right.slice(right.lastIndexOf('.') + 1);
    const uid = left.slice(0, left.indexOf('.'));
    const owner = right.includes('.') ? right.slice(0, right.lastIndexOf('.')) : uid;
    // The operator may be renamed by a later one.
    if (owner !== uid && !texts.includes(`${uid}=${owner}`))
      return refuse(text, `a state stays with its operator, ${uid}; it cannot become one of ${owner}`);
    const problem = nameProblem('state', name);
    if (problem !== undefined) return refuse(text, problem);
    states.set(left, name);
  };

  for (const text of texts) readOne(text);
  const renames: Renames = {
    operator: (uid) => operators.get(uid) ?? uid,
    state: (table) => states.get(labelOf(table)) ?? table.name,
  };
  checkCollisions(renames, uids, tables, findings);
  return renames;
}

function checkCollisions(
  renames: Renames,
  uids: readonly string[],
  tables: readonly Named[],
  findings: Findings,
): void {
  for (const [name, olds] of grouped(uids, (uid) => renames.operator(uid)))
    if (olds.length > 1) findings.add('USAGE', `--rename: ${olds.join(' and ')} would both be ${name}`);
  // A state and a timer may share a name, if they did before.
  const taken = grouped(tables, (table) => labelOf({ ...table, name: renames.state(table) }));
  for (const [name, olds] of taken) {
    const before = [...new Set(olds.map(labelOf))];
    if (before.length > 1) findings.add('USAGE', `--rename: ${before.join(' and ')} would both be ${name}`);
  }
}

function grouped<T>(all: readonly T[], by: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const group = groups.get(by(one));
    if (group === undefined) groups.set(by(one), [one]);
    else group.push(one);
  }
  return groups;
}
