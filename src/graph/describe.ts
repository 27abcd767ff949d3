/** The dataflow as plain JSON, for `plan` and for what compares two graphs. Functions do not appear in it. */
import { operatorId } from '../base/operator-id.js';
import { describePanes, describeWindow, type WindowDescription } from './describe-window.js';
import type { JoinType } from './join.js';
import {
  type AssignNode,
  type AsyncMapNode,
  type Graph,
  type GraphNode,
  inputsOf,
  type ProcessNode,
  type SinkNode,
  type SourceNode,
  type WindowNode,
} from './node.js';
import type { OperatorStateDeclaration, OperatorStateKind } from './operator-state.js';
import type { AnyBroadcastDeclaration, TimerTime } from './process.js';
import type { JobSettings } from './settings.js';
import type { StateDeclaration, StateKind, Ttl } from './state.js';

export interface GraphDescription {
  /** In the order of the graph: inputs precede their users. */
  readonly nodes: readonly NodeDescription[];
  /** False when any source cannot be read again: recovery loses what it gave after the last checkpoint. */
  readonly replayable: boolean;
  readonly settings?: JobSettings;
}

/** What is absent does not apply to the node's kind, or was not given. */
export interface NodeDescription {
  /** The place in `nodes`; `inputs` names others by it. */
  readonly id: number;
  readonly kind: GraphNode['kind'];
  /** The uid where there is one, else the kind. */
  readonly name: string;
  readonly uid?: string;
  /** As in Flink: murmur3_128 of the uid, 32 hex digits. */
  readonly operatorId?: string;
  readonly formerly?: readonly string[];
  readonly inputs: readonly number[];
  /** Of a `keyBy`, and of the operators after it. */
  readonly keyType?: string;
  readonly states?: readonly StateDescription[];
  readonly timers?: readonly TimerDescription[];
  readonly sides?: readonly string[];
  /** The one of `inputs` that is broadcast to it. */
  readonly broadcast?: number;
  /** The one of `inputs` that is the second of two keyed streams; it may be the first, too. */
  readonly right?: number;
  /** Of a join; of a window join without bounds. */
  readonly join?: JoinDescription;
  readonly window?: WindowDescription;
  /** Of an `asyncMap`. */
  readonly async?: AsyncDescription;
  /** Of an `assign`: how elements get their timestamps. */
  readonly time?: TimeDescription;
  /** Which output of its input a `side` node is. */
  readonly side?: string;
  readonly source?: SourceDescription;
  readonly sink?: SinkDescription;
}

export interface StateDescription {
  readonly name: string;
  readonly kind: StateKind | 'broadcast' | 'in-flight' | OperatorStateKind;
  readonly codec: string;
  /** Of the schema; 1 where there is none. */
  readonly version: number;
  readonly formerly: readonly string[];
  /** The type of map keys, where it is declared. */
  readonly mapKey?: string;
  /** Absent: entries do not expire. */
  readonly ttl?: Ttl;
}

/** How calls are made; lengths are milliseconds. */
export interface AsyncDescription {
  readonly ordered: boolean;
  readonly capacity: number;
  readonly timeout: number;
  /** Tries in all. */
  readonly attempts: number;
  readonly fallback: boolean;
}

/** Lengths are milliseconds. */
export interface JoinDescription {
  readonly type: JoinType;
  readonly lower?: number;
  readonly upper?: number;
}

/** Lengths are milliseconds. */
export interface TimeDescription {
  readonly outOfOrderness: number;
  /** Absent: a split that gives nothing holds event time back. */
  readonly idle?: number;
  readonly inTurn: boolean;
}

export interface TimerDescription {
  readonly name: string;
  readonly time: TimerTime;
}

export interface SourceDescription {
  readonly kind: string;
  readonly describe?: string;
  readonly replayable: boolean;
  /** Elements per second; absent: as fast as it goes. */
  readonly rate?: number;
}

export interface SinkDescription {
  readonly kind: string;
  readonly describe?: string;
  readonly delivery: 'exactly-once' | 'at-least-once';
  readonly target?: string;
}

/** Describes a checked graph; with `settings`, also how it would run. */
export function describeGraph(graph: Graph, settings?: JobSettings): GraphDescription {
  const nodes = graph.nodes.map((node) => describeNode(node, graph));
  return {
    nodes,
    replayable: nodes.every((node) => node.source?.replayable !== false),
    ...(settings === undefined ? {} : { settings }),
  };
}

function describeNode(node: GraphNode, graph: Graph): NodeDescription {
  const base = { id: node.id, kind: node.kind, name: node.kind, inputs: inputsOf(node) };
  switch (node.kind) {
    case 'source':
      return { ...base, ...named(node), ...stated(node.source.state), source: describeSource(node) };
    case 'process':
      return { ...base, ...named(node), ...describeProcess(node, graph) };
    case 'sink':
      return { ...base, ...named(node), ...stated(node.sink.state), sink: describeSink(node) };
    case 'window':
      return {
        ...base,
        ...named(node),
        ...keyType(node, graph),
        ...joined(node),
        window: describeWindow(node),
        states: describePanes(node.spec),
      };
    case 'asyncMap':
      return { ...base, ...named(node), ...describeAsync(node) };
    case 'assign':
      return { ...base, time: describeTime(node) };
    case 'keyBy':
      return { ...base, keyType: node.codec.id };
    case 'side':
      return { ...base, side: node.side };
    default:
      return base;
  }
}

function named(node: SourceNode | ProcessNode | AsyncMapNode | WindowNode | SinkNode) {
  return { name: node.uid, uid: node.uid, operatorId: operatorId(node.uid), formerly: node.formerly };
}

function describeSource({ source }: SourceNode): SourceDescription {
  return {
    kind: source.kind,
    ...(source.describe === undefined ? {} : { describe: source.describe }),
    replayable: source.replayable ?? true,
    ...(source.rate === undefined ? {} : { rate: source.rate }),
  };
}

function describeSink({ sink }: SinkNode): SinkDescription {
  return {
    kind: sink.kind,
    ...(sink.describe === undefined ? {} : { describe: sink.describe }),
    delivery: sink.committer === undefined ? 'at-least-once' : 'exactly-once',
    ...(sink.target === undefined ? {} : { target: sink.target }),
  };
}

/** Its elements in flight are a state without a name. */
function describeAsync({ spec }: AsyncMapNode): Pick<NodeDescription, 'async' | 'states'> {
  const { ordered, capacity, timeout, retries, fallback, kept } = spec;
  const version = kept.schema?.version ?? 1;
  return {
    async: { ordered, capacity, timeout, attempts: retries.attempts, fallback: fallback !== undefined },
    states: [{ name: '', kind: 'in-flight', codec: kept.codec.id, version, formerly: [] }],
  };
}

function describeTime({ outOfOrderness, idle, inTurn }: AssignNode): TimeDescription {
  return { outOfOrderness, ...(idle === undefined ? {} : { idle }), inTurn };
}

function describeProcess(node: ProcessNode, graph: Graph) {
  const { spec, broadcast } = node;
  return {
    ...keyType(node, graph),
    states: [...describeStates(spec.state), ...describeStates(broadcastOf(node))],
    timers: Object.entries(spec.timers ?? {}).map(([name, time]) => ({ name, time })),
    sides: Object.keys(spec.sides ?? {}),
    ...(broadcast === undefined ? {} : { broadcast }),
    ...joined(node),
  };
}

function joined({ right, join }: ProcessNode | WindowNode): Pick<NodeDescription, 'right' | 'join'> {
  if (right === undefined) return {};
  if (join === undefined) return { right };
  const bounds = 'lower' in join ? { lower: join.lower, upper: join.upper } : {};
  return { right, join: { type: join.type, ...bounds } };
}

function keyType({ input }: ProcessNode | WindowNode, graph: Graph) {
  const keyed = graph.nodes[input];
  return keyed?.kind === 'keyBy' ? { keyType: keyed.codec.id } : {};
}

type Declared = StateDeclaration | AnyBroadcastDeclaration | OperatorStateDeclaration;
type Declarations = { readonly [name: string]: Declared };

function broadcastOf({ spec }: ProcessNode): Declarations {
  return 'broadcast' in spec ? (spec.broadcast as { readonly [name: string]: AnyBroadcastDeclaration }) : {};
}

/** Of a source or a sink, most of which have none. */
function stated(declarations: Declarations | undefined) {
  return declarations === undefined ? {} : { states: describeStates(declarations) };
}

function describeStates(declarations: Declarations = {}): readonly StateDescription[] {
  return Object.entries(declarations).map(([name, declaration]) => ({
    name,
    kind: declaration.kind,
    codec: declaration.codec.id,
    version: declaration.schema?.version ?? 1,
    formerly: declaration.formerly,
    ...('mapKey' in declaration && declaration.mapKey !== undefined ? { mapKey: declaration.mapKey } : {}),
    ...('ttl' in declaration && declaration.ttl !== undefined ? { ttl: declaration.ttl } : {}),
  }));
}
