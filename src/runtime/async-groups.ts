/**
 * All `asyncMap` operators of a dataflow, as its steps see them.
 *
 * While one is blocked, nothing that lies before it may be read, fire or leave: all that goes by is what lies behind it. Those
 * behind have greater node ids, so the greatest id of one that is blocked, the *floor*, says what may move.
 */
import type { AsyncGroup } from './async-group.js';

/** Results that leave one subtask in a step at most. */
const RESULTS_A_STEP = 512;

/** The floor where nothing is blocked. */
export const NO_FLOOR = 0;

export class AsyncGroups {
  readonly groups: readonly AsyncGroup[];
  /** How long the process stood still so far, milliseconds: calls could not be answered then. */
  #stalled = 0;

  /** In the order of the graph. */
  constructor(groups: readonly AsyncGroup[]) {
    this.groups = groups;
  }

  /** Before the first step. */
  begin(monotonic: number): void {
    for (const group of this.groups) {
      group.now = monotonic;
      group.begin();
    }
  }

  /** Looks at what was answered since, and calls what there is room for. Throws the failure of user code. */
  look(monotonic: number): void {
    for (const group of this.groups) {
      group.now = monotonic - this.#stalled;
      for (const operator of group.operators) {
        operator.look();
        operator.startWaiting();
      }
    }
  }

  /** The node of the last operator that is blocked; NO_FLOOR where none is. */
  get floor(): number {
    let floor = NO_FLOOR;
    for (const { node, blocked } of this.groups) if (blocked) floor = node.id;
    return floor;
  }

  /**
   * Lets results leave, those of the last operators first, down to the floor or to one that is blocked by now; false where
   * there were none.
   */
  deliver(floor: number): boolean {
    let left = 0;
    for (let i = this.groups.length - 1; i >= 0; i--) {
      const group = this.groups[i];
      if (group === undefined) break;
      for (const operator of group.operators) {
        left += operator.deliver(RESULTS_A_STEP);
        operator.startWaiting();
      }
      if (group.blocked || group.node.id <= floor) break;
    }
    return left > 0;
  }

  get inFlight(): number {
    let sum = 0;
    for (const { inFlight } of this.groups) sum += inFlight;
    return sum;
  }

  /** Calls under way: those that wait for an answer, and not for the clock. */
  get asked(): number {
    return this.groups.flatMap(({ operators }) => operators).reduce((sum, { asked }) => sum + asked, 0);
  }

  stalled(ms: number): void {
    this.#stalled += ms;
  }

  /** Milliseconds until a try is too late, or the next one is made. */
  waitMs(monotonic: number): number {
    let due = Number.POSITIVE_INFINITY;
    for (const { operators } of this.groups)
      for (const operator of operators) due = Math.min(due, operator.nextDue);
    return Math.max(0, due - (monotonic - this.#stalled));
  }

  async open(where: { enter(): void; leave(): void }): Promise<void> {
    for (const { operators } of this.groups)
      for (const operator of operators) {
        where.enter();
        await operator.open();
        where.leave();
      }
  }

  async close(): Promise<void> {
    for (const { operators } of this.groups) for (const operator of operators) await operator.close();
  }
}
