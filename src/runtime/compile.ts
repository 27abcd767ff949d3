/**
 * From graph to operator instances. Nodes are compiled back to front, so that each finds those it feeds.
 *
 *     source[0] ─▶ map[0] ─▶ keyBy[0] ─┬▶ process[0] ─▶ sink[0]
 *     source[1] ─▶ map[1] ─▶ keyBy[1] ─┴▶ process[1] ─▶ sink[1]      subtask i feeds subtask i; keyBy feeds the owner
 */
import { assert, present, unreachable } from '../base/assert.js';
import { rangeOf } from '../base/key-groups.js';
import { listCodec } from '../codec/list.js';
import { valueCodec } from '../codec/value.js';
import { LATE, LEFT, RIGHT } from '../graph/join.js';
import {
  type AsyncMapNode,
  type Graph,
  type GraphNode,
  inputsOf,
  type KeyByNode,
  type ProcessNode,
  type SinkNode,
  type SourceNode,
  type WindowNode,
} from '../graph/node.js';
import type { OperatorStateDeclarations } from '../graph/operator-state.js';
import type { SourceContext } from '../graph/source.js';
import type { BackendOptions, KeyedBackend, StateTable, StepTime } from '../state/backend.js';
import { AssignOperator } from './assign.js';
import { AsyncGroup } from './async-group.js';
import { AsyncGroups } from './async-groups.js';
import { BroadcastInput } from './broadcast-input.js';
import { BroadcastStates } from './broadcast-state.js';
import { EventTime, NO_WATERMARK, type OperatorTime } from './event-time.js';
import { stateTableOf } from './handles.js';
import { KeyByOperator } from './key-by.js';
import {
  type Counted,
  fanOut,
  type Input,
  type KeyedInput,
  type KeyedOperator,
  type KeyedParts,
} from './operator.js';
import { OperatorStateStore } from './operator-state.js';
import { ProcessOperator } from './process.js';
import type { ProcessingTime } from './processing-time.js';
import { RightInput } from './right-input.js';
import { SinkGroup, SinkOperator } from './sink.js';
import { type ReadLimit, SourceGroup, SourceSubtask } from './source.js';
import { FilterOperator, FlatMapOperator, MapOperator } from './stateless.js';
import { isTimer, type Table, tablesOf } from './tables.js';
import { broadcastDeclarations, type UnkeyedStates } from './unkeyed.js';
import { type KeyedTime, Watermarks } from './watermarks.js';
import type { Where } from './where.js';
import { lateBySide, TaggedInput } from './window/tagging.js';
import { createWindowOperator } from './window/window-operator.js';

export type BackendFactory = (options: BackendOptions) => KeyedBackend;

export interface CompileOptions {
  readonly graph: Graph;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly backend: BackendFactory;
  /** What a snapshot of keyed state holds: see the contract of backends. */
  readonly snapshots: BackendOptions['snapshots'];
  readonly context: SourceContext;
  readonly where: Where;
  readonly processingTime: ProcessingTime;
  /** Processing time of the step at hand. */
  readonly stepTime: StepTime;
  readonly waiting: Promise<void>[];
  readonly limit?: ReadLimit | undefined;
  wake(): void;
}

export interface Compiled {
  readonly graph: Graph;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly snapshots: BackendOptions['snapshots'];
  readonly tables: readonly Table[];
  /** By node: the uid, or kind and place, as `map-3`. */
  readonly names: readonly string[];
  readonly sources: readonly SourceGroup[];
  readonly sinks: readonly SinkGroup[];
  /** Keyed operators, all subtasks. */
  readonly keyed: readonly KeyedOperator[];
  /** Those of `keyed` that have processing-time timers. */
  readonly timed: readonly KeyedOperator[];
  /** Of all of `keyed`. */
  readonly nodes: ReadonlyMap<KeyedOperator, number>;
  /** Those of `keyed` of which something may expire. */
  readonly expiring: readonly KeyedOperator[];
  readonly watermarks: Watermarks;
  /** Undefined where there is no `asyncMap`. */
  readonly asyncs: AsyncGroups | undefined;
  /** By node and subtask. */
  readonly instances: ReadonlyMap<number, readonly Counted[]>;
  /** What a node offers to those that feed it, by node and subtask: where a test pushes elements. */
  readonly inputs: ReadonlyMap<number, readonly Input[]>;
  readonly eventTime: EventTime;
  /** By uid: the subtasks of keyed operators, and the time they share. */
  readonly processes: ReadonlyMap<string, readonly KeyedOperator[]>;
  readonly times: ReadonlyMap<string, OperatorTime>;
  /** By uid: state that belongs to no key. */
  readonly unkeyed: ReadonlyMap<string, UnkeyedStates>;
}

export function compile(options: CompileOptions): Compiled {
  return new Compiler(options).run();
}

/** The side output that a window's late elements go to. */
const LATE_SIDE = 'late';

type KeyedNode = ProcessNode | WindowNode;

export function isKeyed(node: GraphNode): node is KeyedNode {
  return node.kind === 'process' || node.kind === 'window';
}

function sideNames(node: KeyedNode): readonly string[] {
  if (node.kind === 'process') return Object.keys(node.spec.sides ?? {});
  return node.right === undefined ? [LATE_SIDE] : Object.values(LATE);
}

function add<T>(to: T[], one: T): T {
  to.push(one);
  return one;
}

function expires(node: KeyedNode): boolean {
  return node.kind === 'process' && Object.values(node.spec.state ?? {}).some(({ ttl }) => ttl !== undefined);
}

/** What a table of a keyed operator is for its backend, if that keeps it and it is no timer. */
function stateOf(node: KeyedNode, table: Table): readonly StateTable[] {
  if (isTimer(table.kind) || table.kind === 'watermark') return [];
  const { id, name } = table;
  if (node.kind === 'window') {
    const codec = table.kind === 'value' ? valueCodec : node.spec.keeps.codec;
    const kept = table.kind === 'list' ? listCodec(codec) : codec;
    return [{ table: id, name, kind: 'panes', codec: kept, initial: undefined }];
  }
  const declared = node.spec.state?.[name];
  return declared === undefined ? [] : [stateTableOf(declared, table)];
}

class Compiler {
  readonly #options: CompileOptions;
  readonly #tables: readonly Table[];
  readonly #users = new Map<number, GraphNode[]>();
  /** What a node offers to those that feed it, by node and subtask. */
  readonly #inputs = new Map<number, readonly Input[]>();
  readonly #instances = new Map<number, readonly Counted[]>();
  readonly #processes = new Map<number, readonly KeyedOperator[]>();
  /** By `keyBy` node: those that it feeds, in the order of the graph, by subtask. */
  readonly #keyedInputs = new Map<number, readonly (readonly KeyedInput[])[]>();
  readonly #times = new Map<number, KeyedTime>();
  readonly #unkeyed = new Map<string, UnkeyedStates>();
  readonly #eventTime = new EventTime();
  readonly #sources: SourceGroup[] = [];
  readonly #sinks: SinkGroup[] = [];
  readonly #asyncs: AsyncGroup[] = [];

  constructor(options: CompileOptions) {
    this.#options = options;
    this.#tables = tablesOf(options.graph);
    for (const node of options.graph.nodes) {
      for (const input of inputsOf(node)) {
        const users = this.#users.get(input) ?? [];
        users.push(node);
        this.#users.set(input, users);
      }
    }
  }

  run(): Compiled {
    const { graph, parallelism, maxParallelism, snapshots } = this.#options;
    for (const node of graph.nodes.toReversed()) this.#compile(node);
    const keyedNodes = graph.nodes.filter(isKeyed);
    const operatorsOf = (nodes: readonly KeyedNode[]) =>
      nodes.flatMap((node) => this.#processes.get(node.id) ?? []);
    const has = (node: KeyedNode, kind: Table['kind']) =>
      this.#tables.some((table) => table.operator === node.uid && table.kind === kind);
    const sources = this.#sources.reverse();
    const asyncs = this.#asyncs.reverse();
    return {
      graph,
      parallelism,
      maxParallelism,
      snapshots,
      tables: this.#tables,
      names: graph.nodes.map((node) => ('uid' in node ? node.uid : `${node.kind}-${node.id}`)),
      sources,
      sinks: this.#sinks.reverse(),
      keyed: operatorsOf(keyedNodes),
      timed: operatorsOf(keyedNodes.filter((node) => has(node, 'timer'))),
      nodes: new Map(
        keyedNodes.flatMap((node) => operatorsOf([node]).map((operator) => [operator, node.id])),
      ),
      expiring: operatorsOf(keyedNodes.filter(expires)),
      watermarks: new Watermarks({ graph, sources, keyed: this.#times, asyncs }),
      asyncs: asyncs.length === 0 ? undefined : new AsyncGroups(asyncs),
      instances: this.#instances,
      inputs: this.#inputs,
      eventTime: this.#eventTime,
      processes: new Map(keyedNodes.map((node) => [node.uid, this.#processes.get(node.id) ?? []])),
      times: new Map(
        keyedNodes.map((node) => [
          node.uid,
          present(this.#times.get(node.id), 'a time of every operator').time,
        ]),
      ),
      unkeyed: this.#unkeyed,
    };
  }

  #compile(node: GraphNode): void {
    const { where } = this.#options;
    switch (node.kind) {
      case 'source':
        return this.#source(node);
      case 'map':
        return this.#stateless(node.id, (i) => new MapOperator(node, i, where, this.#outputOf(node.id, i)));
      case 'filter':
        return this.#stateless(
          node.id,
          (i) => new FilterOperator(node, i, where, this.#outputOf(node.id, i)),
        );
      case 'flatMap':
        return this.#stateless(
          node.id,
          (i) => new FlatMapOperator(node, i, where, this.#outputOf(node.id, i)),
        );
      case 'assign':
        return this.#stateless(
          node.id,
          (i) => new AssignOperator(node, i, where, this.#eventTime, this.#outputOf(node.id, i)),
        );
      case 'asyncMap':
        return this.#asyncMap(node);
      case 'union':
      case 'side':
        this.#inputs.set(
          node.id,
          this.#each((i) => this.#outputOf(node.id, i)),
        );
        return;
      case 'keyBy':
        return this.#keyBy(node);
      case 'process':
        return this.#process(node);
      case 'window':
        return this.#window(node);
      case 'sink':
        return this.#sink(node);
      default:
        return unreachable(node);
    }
  }

  #each<T>(make: (subtask: number) => T): readonly T[] {
    return Array.from({ length: this.#options.parallelism }, (_, subtask) => make(subtask));
  }

  /** Where subtask `i` of a node emits to: subtask `i` of all its users. Side outputs are no users of the main one. */
  #outputOf(node: number, subtask: number): Input {
    const users = (this.#users.get(node) ?? []).filter(({ kind }) => kind !== 'side');
    return fanOut(users.map((user) => present(this.#inputs.get(user.id)?.[subtask], 'a compiled input')));
  }

  #stateless(id: number, make: (subtask: number) => Input & Counted): void {
    const operators = this.#each(make);
    this.#inputs.set(id, operators);
    this.#instances.set(id, operators);
  }

  #asyncMap(node: AsyncMapNode): void {
    const { parallelism, where, wake, context } = this.#options;
    const parts = this.#each((subtask) => ({
      subtask,
      parallelism,
      eventTime: this.#eventTime,
      where,
      next: this.#outputOf(node.id, subtask),
      log: context.log,
      wake,
    }));
    const group = new AsyncGroup(node, this.#tables, parts);
    this.#asyncs.push(group);
    this.#unkeyed.set(node.uid, group);
    this.#inputs.set(node.id, group.operators);
    this.#instances.set(node.id, group.operators);
  }

  #source(node: SourceNode): void {
    const { context, where, wake, limit } = this.#options;
    const states = this.#operatorState(node.uid, node.source.state);
    const subtasks = this.#each((i) => new SourceSubtask(i, this.#outputOf(node.id, i), states));
    this.#sources.push(new SourceGroup(node, subtasks, context, where, wake, this.#eventTime, limit));
    this.#instances.set(node.id, subtasks);
  }

  #keyBy(node: KeyByNode): void {
    const { where, maxParallelism } = this.#options;
    const targets = this.#keyedInputs.get(node.id) ?? [];
    this.#inputs.set(
      node.id,
      this.#each((i) => new KeyByOperator(node, i, maxParallelism, where, targets)),
    );
  }

  #process(node: ProcessNode): void {
    if (node.right !== undefined) {
      const operators: ProcessOperator[] = [];
      this.#keyed(node, (parts) => add(operators, new ProcessOperator(node, parts)));
      // What comes to both of them from one `keyBy` comes to the left first.
      this.#reads(
        node.right,
        operators.map((operator) => new RightInput(operator)),
      );
      return this.#reads(node.input, operators);
    }
    this.#oneKeyed(node);
    return this.#reads(node.input, present(this.#processes.get(node.id), 'what was compiled'));
  }

  #window(node: WindowNode): void {
    const { right } = node;
    const operators: KeyedOperator[] = [];
    this.#keyed(node, (parts) => {
      const late = right === undefined ? parts.sides : { [LATE_SIDE]: lateBySide(parts.sides) };
      return add(operators, createWindowOperator(node, { ...parts, sides: late }));
    });
    if (right === undefined) return this.#reads(node.input, operators);
    const tagged = (side: typeof LEFT | typeof RIGHT) => operators.map((one) => new TaggedInput(side, one));
    this.#reads(right, tagged(RIGHT));
    return this.#reads(node.input, tagged(LEFT));
  }

  /** The subtasks that read from a `keyBy`. Nodes are compiled back to front: who comes later stands before. */
  #reads(keyBy: number, inputs: readonly KeyedInput[]): void {
    this.#keyedInputs.set(keyBy, [inputs, ...(this.#keyedInputs.get(keyBy) ?? [])]);
  }

  #oneKeyed(node: ProcessNode): void {
    if (node.broadcast === undefined) return this.#keyed(node, (parts) => new ProcessOperator(node, parts));
    const states = new BroadcastStates(node.uid, broadcastDeclarations(node), this.#tables);
    const inputs: Input[] = [];
    this.#unkeyed.set(node.uid, states);
    // What `keyBy` feeds is found among the processes; as an input the node is that of what is broadcast to it.
    this.#inputs.set(node.id, inputs);
    this.#keyed(node, (parts) => {
      const operator = new ProcessOperator(node, parts, states);
      inputs.push(new BroadcastInput(node, parts, states, operator));
      return operator;
    });
  }

  #operatorState(uid: string, declared: OperatorStateDeclarations = {}): OperatorStateStore {
    const states = new OperatorStateStore(uid, declared, this.#tables, this.#options.parallelism);
    this.#unkeyed.set(uid, states);
    return states;
  }

  #keyed(node: KeyedNode, make: (parts: KeyedParts) => KeyedOperator): void {
    const { graph, parallelism, maxParallelism, processingTime, where, context } = this.#options;
    const keyBy = present(graph.nodes[node.input], 'the input of a keyed operator');
    assert(keyBy.kind === 'keyBy', 'a keyed operator reads from keyBy');
    const time: OperatorTime = { watermark: NO_WATERMARK, furthest: NO_WATERMARK };
    const operators = this.#each((subtask) => {
      const range = rangeOf(subtask, parallelism, maxParallelism);
      return make({
        subtask,
        parallelism,
        range,
        keys: keyBy.codec,
        backend: this.#backend(node, keyBy, subtask, range),
        processingTime,
        eventTime: this.#eventTime,
        time,
        where,
        next: this.#outputOf(node.id, subtask),
        sides: this.#sidesOf(node, subtask),
        log: context.log,
      });
    });
    const timed = this.#tables.some(({ operator, kind }) => operator === node.uid && kind === 'event-timer');
    this.#times.set(node.id, { time, operators, timed });
    this.#processes.set(node.id, operators);
    this.#instances.set(node.id, operators);
  }

  #sidesOf(node: KeyedNode, subtask: number): Readonly<Record<string, Input>> {
    const sides = (this.#users.get(node.id) ?? []).filter((user) => user.kind === 'side');
    const names = sideNames(node);
    const inputs = names.map((name) => {
      const readers = sides.filter(({ side }) => side === name).map(({ id }) => this.#outputOf(id, subtask));
      return [name, fanOut(readers)] as const;
    });
    return Object.fromEntries(inputs);
  }

  #backend(node: KeyedNode, keyBy: KeyByNode, subtask: number, range: BackendOptions['range']): KeyedBackend {
    const tables = this.#tables.filter(({ operator }) => operator === node.uid);
    const states = tables.flatMap((table) => stateOf(node, table));
    const timers = tables
      .filter(({ kind }) => isTimer(kind))
      .map(({ id, name, kind }) => ({
        table: id,
        name,
        time: kind === 'timer' ? ('processing' as const) : ('event' as const),
      }));
    const { maxParallelism, snapshots, stepTime } = this.#options;
    const { codec: keys } = keyBy;
    const time = stepTime;
    return this.#options.backend({ range, maxParallelism, subtask, keys, states, timers, snapshots, time });
  }

  #sink(node: SinkNode): void {
    const { where, waiting } = this.#options;
    const operators = this.#each((i) => new SinkOperator(node, i, where, waiting));
    this.#inputs.set(node.id, operators);
    this.#instances.set(node.id, operators);
    const states = this.#operatorState(node.uid, node.sink.state);
    this.#sinks.push(new SinkGroup(node, operators, where, states));
  }
}
