/**
 * Rewrites a graph so that its user code sees state deeply read-only: what `get`, `entries` and `update` hand out, the
 * arguments of `reduce` and of an aggregate, the elements of `apply`, what a trigger keeps. What user code puts into
 * state is read-only from then on, too: it is state already.
 *
 * The runtime sees the same values, and lists that it may add to: only what passes to and from user code is wrapped.
 */
import type { AsyncMapSpec } from '../graph/async-map.js';
import type { Graph, GraphNode } from '../graph/node.js';
import type { BroadcastProcessSpec, ProcessSpec } from '../graph/process.js';
import type { SinkSpec } from '../graph/sink.js';
import type { SourceSpec } from '../graph/source.js';
import type { StateDeclaration } from '../graph/state.js';
import type { PaneContext, Trigger, WindowKeeps, WindowSpec } from '../graph/window.js';
import { deepFreeze, frozenList } from './freeze.js';
import { frozenHandle, type HandleKind } from './frozen-handles.js';

export function freezeGraph(graph: Graph): Graph {
  return { nodes: graph.nodes.map(freezeNode) };
}

function freezeNode(node: GraphNode): GraphNode {
  switch (node.kind) {
    case 'process':
      return { ...node, spec: freezeProcess(node.spec) };
    case 'window':
      return { ...node, spec: freezeWindow(node.spec) };
    case 'asyncMap':
      return { ...node, spec: freezeAsyncMap(node.spec) };
    case 'sink':
      return node.sink.state === undefined ? node : { ...node, sink: freezeSink(node.sink) };
    case 'source':
      return node.source.state === undefined ? node : { ...node, source: freezeSource(node.source) };
    default:
      return node;
  }
}

type Callback = (value: unknown, context: unknown) => unknown;
type Functions = Readonly<Record<string, (...args: never[]) => unknown>>;

function freezeProcess(spec: ProcessSpec<unknown, unknown>): ProcessSpec<unknown, unknown> {
  const { broadcast, onBroadcast } = spec as Partial<
    BroadcastProcessSpec<unknown, unknown, unknown, Record<never, never>>
  >;
  const state = mapValues(spec.state ?? {}, freezeDeclaration);
  const kinds = mapValues(spec.state ?? {}, ({ kind }): HandleKind => kind);
  const shared = mapValues(broadcast ?? {}, (): HandleKind => 'broadcast');
  const contexts = new Contexts({
    state: (handles) => freezeHandles(handles, kinds),
    broadcast: (handles) => freezeHandles(handles, shared),
    key: deepFreeze,
  });
  const wrap = (callback: Callback): Callback =>
    function (this: unknown, value, context) {
      return Reflect.apply(callback, this, [value, contexts.of(context as object)]);
    };
  const { onElement, onLeft, onRight } = spec as unknown as Readonly<Record<string, Callback | undefined>>;
  const timers = spec.onTimer as Readonly<Record<string, Callback>> | undefined;
  return overriding(spec, {
    state,
    ...(onElement === undefined ? {} : { onElement: wrap(onElement) }),
    ...(onLeft === undefined ? {} : { onLeft: wrap(onLeft) }),
    ...(onRight === undefined ? {} : { onRight: wrap(onRight) }),
    ...(onBroadcast === undefined ? {} : { onBroadcast: wrap(onBroadcast as Callback) }),
    ...(timers === undefined ? {} : { onTimer: overriding(timers, mapValues(timers, wrap)) }),
  });
}

function freezeHandles(
  handles: unknown,
  kinds: Readonly<Record<string, HandleKind>>,
): Readonly<Record<string, unknown>> {
  const given = handles as Readonly<Record<string, unknown>>;
  return mapValues(kinds, (kind, name) => frozenHandle(kind, given[name]));
}

function freezeDeclaration(declared: StateDeclaration): StateDeclaration {
  const { reduce, aggregate } = declared;
  return {
    ...declared,
    ...(reduce === undefined ? {} : { reduce: frozenArguments(reduce) }),
    ...(aggregate === undefined ? {} : { aggregate: freezeAggregate(aggregate) }),
  };
}

function freezeAggregate<A extends object>(aggregate: A): A {
  const { add, merge, result } = aggregate as unknown as Functions;
  return overriding(aggregate, {
    add: frozenArguments(add),
    ...(merge === undefined ? {} : { merge: frozenArguments(merge) }),
    result: frozenArguments(result),
  });
}

function freezeWindow(spec: WindowSpec): WindowSpec {
  const { trigger } = spec;
  return {
    ...spec,
    keeps: freezeKeeps(spec.keeps),
    trigger: trigger === undefined ? undefined : freezeTrigger(trigger),
  };
}

function freezeKeeps(keeps: WindowKeeps): WindowKeeps {
  switch (keeps.kind) {
    case 'reducing': {
      // Without a `result`, the result is what the pane keeps.
      const { reduce, result = (kept: unknown) => kept } = keeps;
      return { ...keeps, reduce: frozenArguments(reduce), result: frozenArguments(result) };
    }
    case 'aggregating':
      return { ...keeps, aggregate: freezeAggregate(keeps.aggregate) };
    case 'list': {
      const { apply } = keeps;
      return {
        ...keeps,
        apply: (elements, window) =>
          Reflect.apply(apply, keeps, [frozenList(elements), deepFreeze(window)]) as Iterable<unknown>,
      };
    }
  }
}

function freezeTrigger(trigger: Trigger): Trigger {
  const panes = new Contexts({ state: (state) => freezePaneState(state as PaneContext['state']) });
  const asks: Record<string, unknown> = {};
  for (const name of ['onElement', 'onEventTime', 'onProcessingTime'] as const) {
    const ask = trigger[name] as Callback | undefined;
    if (ask === undefined) continue;
    asks[name] = function (this: unknown, about: unknown, pane: object) {
      return Reflect.apply(ask, this, [deepFreeze(about), panes.of(pane)]);
    };
  }
  const { merge, onMerge } = trigger;
  if (merge !== undefined) asks['merge'] = frozenArguments(merge);
  if (onMerge !== undefined)
    asks['onMerge'] = function (this: unknown, pane: object) {
      return Reflect.apply(onMerge, this, [panes.of(pane)]);
    };
  return overriding(trigger, asks);
}

function freezePaneState(state: PaneContext['state']): PaneContext['state'] {
  return { get: () => deepFreeze(state.get()), set: (value) => state.set(deepFreeze(value)) };
}

/** Elements in flight are state, while they are asked about. */
function freezeAsyncMap(spec: AsyncMapSpec<unknown, unknown>): AsyncMapSpec<unknown, unknown> {
  const { call, fallback } = spec;
  return {
    ...spec,
    call: (element, context) => call(deepFreeze(element), context),
    fallback: fallback && ((element, error) => fallback(deepFreeze(element), error)),
  };
}

function freezeSink(sink: SinkSpec<unknown, unknown>): SinkSpec<unknown, unknown> {
  const { open } = sink;
  const kinds = mapValues(sink.state ?? {}, (): HandleKind => 'operator');
  const contexts = new Contexts({ state: (handles) => freezeHandles(handles, kinds) });
  return overriding(sink, {
    open(this: unknown, context: object) {
      return Reflect.apply(open, this, [contexts.of(context)]);
    },
  });
}

function freezeSource(source: SourceSpec<unknown, unknown>): SourceSpec<unknown, unknown> {
  const { read } = source;
  return overriding(source, {
    read(this: unknown, request: Parameters<typeof read>[0]) {
      return Reflect.apply(read, this, [{ ...request, state: deepFreeze(request.state) }]);
    },
  });
}

/** What user code is given as its context: the same, but for some of its properties. One for each context there is. */
class Contexts {
  readonly #replaced: Readonly<Record<string, (value: unknown) => unknown>>;
  readonly #wrapped = new WeakMap<object, object>();

  constructor(replaced: Readonly<Record<string, (value: unknown) => unknown>>) {
    this.#replaced = replaced;
  }

  of(context: object): object {
    const known = this.#wrapped.get(context);
    if (known !== undefined) return known;
    const replaced = this.#replaced;
    /** By property: what it was when it was replaced, or bound, and what by. */
    const made = new Map<PropertyKey, { readonly from: unknown; readonly to: unknown }>();
    const wrapped: object = new Proxy(context, {
      get(target, name) {
        const from: unknown = Reflect.get(target, name, target);
        const replace =
          typeof name === 'string' && Object.hasOwn(replaced, name) ? replaced[name] : undefined;
        if (replace === undefined && typeof from !== 'function') return from;
        const before = made.get(name);
        if (before !== undefined && Object.is(before.from, from)) return before.to;
        // What a context lacks in a job, it lacks in a test.
        if (replace !== undefined && from === undefined) return from;
        const to = replace === undefined ? method(from as CallableFunction, target, wrapped) : replace(from);
        made.set(name, { from, to });
        return to;
      },
    });
    this.#wrapped.set(context, wrapped);
    return wrapped;
  }
}

/** A method that is called on the proxy acts on what stands behind it, whose private fields it needs. */
function method(from: CallableFunction, target: object, proxy: object): unknown {
  return function (this: unknown, ...args: unknown[]) {
    return Reflect.apply(from, this === proxy ? target : this, args);
  };
}

/** The function, given its arguments frozen. */
function frozenArguments<F extends (...args: never[]) => unknown>(apply: F | undefined): F {
  return function (this: unknown, ...args: never[]) {
    for (const arg of args) deepFreeze(arg);
    return Reflect.apply(apply as F, this, args);
  } as F;
}

/** An object as `base`, but for some properties. `this` in its functions is the new one, as it was the old one. */
function overriding<T extends object>(base: T, properties: Readonly<Record<string, unknown>>): T {
  return Object.create(base, Object.getOwnPropertyDescriptors(properties)) as T;
}

function mapValues<A, B>(
  record: Readonly<Record<string, A>>,
  map: (value: A, name: string) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value, name)]));
}
