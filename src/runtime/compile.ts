/**
 * From graph to operator instances. Nodes are compiled back to front, so that each finds those it feeds.
 *
 *     source[0] ─▶ map[0] ─▶ keyBy[0] ─┬▶ process[0] ─▶ sink[0]
 *     source[1] ─▶ map[1] ─▶ keyBy[1] ─┴▶ process[1] ─▶ sink[1]      subtask i feeds subtask i; keyBy feeds the owner
 */
import { assert, present, unreachable } from '../base/assert.js';
import { rangeOf } from '../base/key-groups.js';
import { keyCodecById } from '../codec/keys.js';
import {
  type Graph,
  type GraphNode,
  inputsOf,
  type KeyByNode,
  type ProcessNode,
  type SinkNode,
  type SourceNode,
} from '../graph/node.js';
import type { SourceContext } from '../graph/source.js';
import type { BackendOptions, KeyedBackend } from '../state/backend.js';
import { KeyByOperator } from './key-by.js';
import { type Counted, fanOut, type Input } from './operator.js';
import { ProcessOperator } from './process.js';
import type { ProcessingTime } from './processing-time.js';
import { SinkGroup, SinkOperator } from './sink.js';
import { SourceGroup, SourceSubtask } from './source.js';
import { FilterOperator, FlatMapOperator, MapOperator } from './stateless.js';
import { type Table, tablesOf } from './tables.js';
import type { Where } from './where.js';

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
  readonly time: ProcessingTime;
  readonly waiting: Promise<void>[];
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
  readonly keyed: readonly ProcessOperator[];
  /** Those of `keyed` that have timers. */
  readonly timed: readonly ProcessOperator[];
  /** By node and subtask. */
  readonly instances: ReadonlyMap<number, readonly Counted[]>;
  readonly processes: ReadonlyMap<string, readonly ProcessOperator[]>;
}

export function compile(options: CompileOptions): Compiled {
  return new Compiler(options).run();
}

class Compiler {
  readonly #options: CompileOptions;
  readonly #tables: readonly Table[];
  readonly #users = new Map<number, GraphNode[]>();
  /** What a node offers to those that feed it, by node and subtask. */
  readonly #inputs = new Map<number, readonly Input[]>();
  readonly #instances = new Map<number, readonly Counted[]>();
  readonly #processes = new Map<number, readonly ProcessOperator[]>();
  readonly #sources: SourceGroup[] = [];
  readonly #sinks: SinkGroup[] = [];

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
    const processNodes = graph.nodes.filter((node) => node.kind === 'process');
    const keyed = processNodes.flatMap((node) => this.#processes.get(node.id) ?? []);
    const timed = processNodes
      .filter((node) => Object.keys(node.spec.timers ?? {}).length > 0)
      .flatMap((node) => this.#processes.get(node.id) ?? []);
    return {
      graph,
      parallelism,
      maxParallelism,
      snapshots,
      tables: this.#tables,
      names: graph.nodes.map((node) => ('uid' in node ? node.uid : `${node.kind}-${node.id}`)),
      sources: this.#sources.reverse(),
      sinks: this.#sinks.reverse(),
      keyed,
      timed,
      instances: this.#instances,
      processes: new Map(processNodes.map((node) => [node.uid, this.#processes.get(node.id) ?? []])),
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

  #source(node: SourceNode): void {
    const { context, where, wake } = this.#options;
    const subtasks = this.#each((i) => new SourceSubtask(i, this.#outputOf(node.id, i)));
    this.#sources.push(new SourceGroup(node, subtasks, context, where, wake));
    this.#instances.set(node.id, subtasks);
  }

  #keyBy(node: KeyByNode): void {
    const { where, maxParallelism } = this.#options;
    const targets = (this.#users.get(node.id) ?? []).map((user) => {
      assert(user.kind === 'process', 'only keyed operators read from keyBy');
      return present(this.#processes.get(user.id), 'a compiled operator');
    });
    this.#inputs.set(
      node.id,
      this.#each((i) => new KeyByOperator(node, i, maxParallelism, where, targets)),
    );
  }

  #process(node: ProcessNode): void {
    const { graph, parallelism, maxParallelism, time, where, context } = this.#options;
    const keyBy = present(graph.nodes[node.input], 'the input of a keyed operator');
    assert(keyBy.kind === 'keyBy', 'a keyed operator reads from keyBy');
    const sides = (this.#users.get(node.id) ?? []).filter((user) => user.kind === 'side');
    const operators = this.#each((subtask) => {
      const range = rangeOf(subtask, parallelism, maxParallelism);
      const sideInputs = Object.keys(node.spec.sides ?? {}).map((name) => {
        const readers = sides
          .filter(({ side }) => side === name)
          .map(({ id }) => this.#outputOf(id, subtask));
        return [name, fanOut(readers)] as const;
      });
      return new ProcessOperator(node, {
        subtask,
        parallelism,
        range,
        keys: keyBy.codec,
        backend: this.#backend(node, keyBy, subtask, range),
        time,
        where,
        next: this.#outputOf(node.id, subtask),
        sides: Object.fromEntries(sideInputs),
        log: context.log,
      });
    });
    this.#processes.set(node.id, operators);
    this.#instances.set(node.id, operators);
  }

  #backend(
    node: ProcessNode,
    keyBy: KeyByNode,
    subtask: number,
    range: BackendOptions['range'],
  ): KeyedBackend {
    const tables = this.#tables.filter(({ operator }) => operator === node.uid);
    const states = tables.flatMap((table) => {
      const declared = node.spec.state?.[table.name];
      if (declared === undefined || table.kind === 'timer') return [];
      const mapKeys = table.mapKey === null ? {} : { mapKeys: keyCodecById(table.mapKey) };
      const { name, id } = table;
      return [
        {
          table: id,
          name,
          kind: declared.kind,
          codec: declared.codec,
          initial: declared.initial,
          ...mapKeys,
        },
      ];
    });
    const timers = tables.filter(({ kind }) => kind === 'timer').map(({ id, name }) => ({ table: id, name }));
    const { maxParallelism, snapshots } = this.#options;
    const { codec: keys } = keyBy;
    return this.#options.backend({ range, maxParallelism, subtask, keys, states, timers, snapshots });
  }

  #sink(node: SinkNode): void {
    const { where, waiting } = this.#options;
    const operators = this.#each((i) => new SinkOperator(node, i, where, waiting));
    this.#inputs.set(node.id, operators);
    this.#instances.set(node.id, operators);
    this.#sinks.push(new SinkGroup(node, operators, where));
  }
}
