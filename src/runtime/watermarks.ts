/**
 * How event time advances: between two batches, in the order of the graph, every node takes the least watermark of its
 * inputs, and a keyed operator hands it on once all its event timers up to it have fired.
 *
 *     source ─ assign ───── keyBy ─ window ───── keyBy ─ process ─▶
 *              100 − 5 − 1  94      94, fires     94, after what the window gave
 *
 * Invariants: the watermark of an operator only grows, also across a restore, but for `recede`; what an operator's timers
 * emit reaches the next before its watermark does; an advance that is cut short (a step is bounded) goes on before the next
 * element is read, so that a snapshot in between holds the timers that are still to fire.
 */
import { present } from '../base/assert.js';
import { type Graph, type GraphNode, inputsOf } from '../graph/node.js';
import type { AsyncGroup } from './async-group.js';
import { END_OF_TIME, NO_WATERMARK, type OperatorTime } from './event-time.js';
import type { KeyedOperator } from './operator.js';
import type { SourceGroup } from './source.js';

/** A node's output: up to where, and whether it holds back nothing for lack of input. */
interface Flow {
  watermark: number;
  idle: boolean;
}

export interface WatermarkParts {
  readonly graph: Graph;
  readonly sources: readonly SourceGroup[];
  /** By node: the time of each keyed operator, and its subtasks. */
  readonly keyed: ReadonlyMap<number, KeyedTime>;
  /** Operators with elements in flight, in the order of the graph. */
  readonly asyncs: readonly AsyncGroup[];
}

export interface KeyedTime {
  readonly time: OperatorTime;
  readonly operators: readonly KeyedOperator[];
  /** Whether it has event timers. */
  readonly timed: boolean;
}

export class Watermarks {
  /** False where nothing assigns timestamps: then there is nothing to do. */
  readonly active: boolean;
  readonly #nodes: readonly GraphNode[];
  readonly #inputs: readonly (readonly number[])[];
  readonly #flows: readonly Flow[];
  readonly #sources: ReadonlyMap<number, SourceGroup>;
  /** By assign node: the sources that reach it. */
  readonly #origins: ReadonlyMap<number, readonly SourceGroup[]>;
  readonly #keyed: WatermarkParts['keyed'];
  readonly #timestamped: ReadonlySet<number>;
  readonly #asyncs: ReadonlyMap<number, AsyncGroup>;
  /** Where event time has been declared to be, whatever the sources have left; undefined: they decide. */
  #held: number | undefined = undefined;
  /** The last advance was cut short: some operator has timers to fire at or before its watermark. */
  #cut = false;
  /** By node: how far its operator had come when the end of time was declared. */
  #before = new Map<number, number>();
  /** By node: up to where event time may come; undefined: as far as the sources do. */
  #levels: ReadonlyMap<number, number> | undefined;
  /** It is to come there whatever the sources say: what is idle says nothing. */
  #atLevels = false;

  constructor({ graph, sources, keyed, asyncs }: WatermarkParts) {
    this.#nodes = graph.nodes;
    this.#flows = graph.nodes.map(() => ({ watermark: NO_WATERMARK, idle: false }));
    this.#sources = new Map(sources.map((source) => [source.node.id, source]));
    this.#keyed = keyed;
    this.#asyncs = new Map(asyncs.map((group) => [group.node.id, group]));
    this.#timestamped = reachedByAssign(graph);
    this.#inputs = graph.nodes.map((node) => timeInputs(node, this.#timestamped));
    this.#origins = new Map(
      graph.nodes.flatMap((node) =>
        node.kind === 'assign' ? [[node.id, this.#originsOf(node.id)] as const] : [],
      ),
    );
    this.active = this.#origins.size > 0;
  }

  /** The operators have the watermarks they were restored with: an advance that the snapshot fell into goes on first. */
  goOn(): void {
    for (const { time, operators, timed } of this.#keyed.values())
      this.#cut ||= timed && anyDue(operators, time.watermark);
  }

  /**
   * Lets event time advance as far as the sources have come; fires at most `most` timers, and says how many. What stands before
   * node `floor` stays where it is.
   */
  advance(monotonic: number, most: number, floor: number): number {
    if (!this.active) return 0;
    let fired = 0;
    const goesOn = this.#cut;
    // What stays where it is may have timers to fire.
    this.#cut = goesOn && floor > 0;
    for (const node of this.#nodes) {
      if (node.id < floor) continue;
      const flow = present(this.#flows[node.id], 'a flow of every node');
      if (node.kind === 'source') this.#ofSource(node.id, flow);
      else if (node.kind === 'assign') {
        // What is known by now has to wait: an operator before the one that has timers to fire would give it elements.
        if (!goesOn) this.#assigned(node.id, node, monotonic, flow);
      } else if (node.kind === 'asyncMap') this.#awaiting(node.id, flow);
      else {
        this.#merged(node.id, flow);
        this.#bound(node.id, flow);
        const keyed = this.#keyed.get(node.id);
        if (keyed !== undefined) fired += this.#raise(keyed, flow, most - fired);
      }
    }
    // Nothing was left to go on with: what is known by now has waited for nothing.
    if (goesOn && fired === 0 && !this.#cut) return this.advance(monotonic, most, floor);
    return fired;
  }

  /** Says that nothing more will come, as at the end of input. */
  end(): void {
    if (this.#held !== END_OF_TIME)
      this.#before = new Map([...this.#keyed].map(([id, { time }]) => [id, time.watermark]));
    this.#held = END_OF_TIME;
  }

  /** Takes that back: event time is where it was before, behind what has fired since. */
  recede(): void {
    this.#held = undefined;
    this.#cut = false;
    for (const flow of this.#flows) flow.watermark = NO_WATERMARK;
    for (const group of this.#asyncs.values()) group.recede();
    for (const [id, { time }] of this.#keyed) {
      time.furthest = Math.max(time.furthest, time.watermark);
      time.watermark = this.#before.get(id) ?? NO_WATERMARK;
    }
  }

  /**
   * Until `release`, event time comes no further than to these watermarks, by uid; with `reach`, it comes to them, whatever
   * the sources say.
   */
  level(levels: ReadonlyMap<string, number>): void {
    const nodes = [...this.#keyed.keys()].flatMap((id) => {
      const node = this.#nodes[id];
      const level = node !== undefined && 'uid' in node ? levels.get(node.uid) : undefined;
      return level === undefined ? [] : [[id, level] as const];
    });
    this.#levels = new Map(nodes);
    this.#atLevels = false;
  }

  reach(): void {
    this.#atLevels = true;
  }

  release(): void {
    this.#levels = undefined;
    this.#atLevels = false;
  }

  /** All timers up to where event time has come have fired. */
  get settled(): boolean {
    return !this.#cut;
  }

  /** Event time is where the caller says, and not where the sources have come: for tests. */
  hold(watermark: number): void {
    this.#held = watermark;
  }

  /** The watermark a node has come to; undefined where event time does not reach. */
  of(id: number): number | undefined {
    if (!this.#timestamped.has(id)) return undefined;
    return this.#keyed.get(id)?.time.watermark ?? this.#flows[id]?.watermark;
  }

  /** Milliseconds until a split may count as idle that holds event time back now. */
  waitMs(monotonic: number): number {
    let wait = Number.POSITIVE_INFINITY;
    for (const [id, sources] of this.#origins) {
      const node = this.#nodes[id];
      if (node?.kind !== 'assign' || node.idle === undefined) continue;
      for (const source of sources) wait = Math.min(wait, source.times.idleIn(node.idle, monotonic));
    }
    return wait;
  }

  #originsOf(id: number): readonly SourceGroup[] {
    const found = new Set<SourceGroup>();
    const visit = (at: number): void => {
      const source = this.#sources.get(at);
      if (source !== undefined) found.add(source);
      else for (const input of inputsOf(present(this.#nodes[at], 'an input'))) visit(input);
    };
    visit(id);
    return [...found];
  }

  #ofSource(id: number, flow: Flow): void {
    if (this.#held !== undefined) flow.watermark = this.#held;
    else if (this.#sources.get(id)?.ended === true) flow.watermark = END_OF_TIME;
  }

  #assigned(id: number, rules: WatermarkRules, monotonic: number, flow: Flow): void {
    if (this.#held !== undefined) {
      flow.idle = false;
      flow.watermark = Math.max(flow.watermark, this.#held);
      return;
    }
    let least = END_OF_TIME;
    let holding = false;
    let ended = true;
    for (const source of present(this.#origins.get(id), 'the sources of an assign node')) {
      if (source.ended) continue;
      ended = false;
      const greatest = source.times.leastGreatest(rules, monotonic);
      if (greatest === undefined) continue;
      holding = true;
      least = Math.min(least, greatest);
    }
    flow.idle = !ended && !holding;
    const reached = ended ? END_OF_TIME : least - rules.outOfOrderness - 1;
    // Before the first time that a snapshot can tell there is none.
    if (!flow.idle && reached > flow.watermark && reached >= Number.MIN_SAFE_INTEGER)
      flow.watermark = reached;
  }

  /** The least of the inputs that are not idle. */
  #merged(id: number, flow: Flow): void {
    let least = END_OF_TIME;
    let idle = true;
    for (const input of this.#inputs[id] ?? []) {
      const from = present(this.#flows[input], 'a flow of every node');
      if (from.idle) continue;
      idle = false;
      least = Math.min(least, from.watermark);
    }
    flow.idle = idle;
    if (!idle && least > flow.watermark) flow.watermark = least;
  }

  /** What is in flight holds event time where it was when the oldest came. */
  #awaiting(id: number, flow: Flow): void {
    const group = present(this.#asyncs.get(id), 'an operator with elements in flight');
    this.#merged(id, group.arriving);
    const { arriving, holds } = group;
    flow.idle = arriving.idle && holds === undefined;
    const reached = Math.min(arriving.watermark, holds ?? END_OF_TIME);
    if (reached > flow.watermark) flow.watermark = reached;
    group.released = flow.watermark;
  }

  #bound(id: number, flow: Flow): void {
    const level = this.#levels?.get(id);
    if (level === undefined) return;
    // What an operator before it has still to fire reaches it before its own level does.
    const reaches = this.#atLevels && !this.#cut && !this.#anyInFlight();
    flow.watermark = reaches ? level : Math.min(flow.watermark, level);
    if (reaches) flow.idle = false;
  }

  #anyInFlight(): boolean {
    for (const { inFlight } of this.#asyncs.values()) if (inFlight > 0) return true;
    return false;
  }

  /** Raises an operator's watermark and fires what is due; hands on only what it has wholly come to. */
  #raise({ time, operators, timed }: KeyedTime, flow: Flow, most: number): number {
    if (flow.watermark > time.watermark) time.watermark = flow.watermark;
    // What it was restored with may be ahead of what its inputs say.
    else flow.watermark = time.watermark;
    if (!timed) return 0;
    const fired = fireDue(operators, time.watermark, most);
    if (fired === most && anyDue(operators, time.watermark)) {
      // Held back, whatever its inputs do.
      flow.watermark = NO_WATERMARK;
      flow.idle = false;
      this.#cut = true;
    }
    return fired;
  }
}

/** Fires timers up to a watermark, one subtask's in the order of their times after the other's, at most `most`. */
function fireDue(operators: readonly KeyedOperator[], watermark: number, most: number): number {
  let fired = 0;
  for (const operator of operators) {
    while (fired < most && operator.fireTimer('event', watermark)) fired++;
  }
  return fired;
}

function anyDue(operators: readonly KeyedOperator[], watermark: number): boolean {
  return operators.some(({ backend }) => backend.nextTimer('event') <= watermark);
}

/** What `assignTimestamps` says of its splits. */
export interface WatermarkRules {
  readonly outOfOrderness: number;
  readonly idle: number | undefined;
  readonly inTurn: boolean;
}

/** The inputs whose watermarks count: not what is broadcast, nor one of two keyed streams, where it has no timestamps. */
function timeInputs(node: GraphNode, timestamped: ReadonlySet<number>): readonly number[] {
  const inputs = inputsOf(node);
  if (node.kind !== 'process') return inputs;
  const counting = inputs.filter((id) => timestamped.has(id));
  if (node.right !== undefined) return counting.length > 0 ? counting : inputs;
  return inputs.filter((id) => counting.includes(id) || id === node.input);
}

/** The nodes that `assignTimestamps` comes before, and those themselves. */
export function reachedByAssign(graph: Graph): ReadonlySet<number> {
  const reached = new Set<number>();
  for (const node of graph.nodes) {
    if (node.kind === 'assign' || inputsOf(node).some((input) => reached.has(input))) reached.add(node.id);
  }
  return reached;
}
