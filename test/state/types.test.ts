/** Holds at compile time: what a backend hands out is what definitions are promised. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Timer } from '../../src/graph/process.js';
import type { ListState, MapState, NumberState, ValueState } from '../../src/graph/state.js';
import type {
  ListHandle,
  MapHandle,
  NumberHandle,
  TimerHandle,
  ValueHandle,
} from '../../src/state/backend.js';

interface Flight {
  readonly from: string;
  readonly legs: number[];
}

type Fits<Handle extends State, State> = Handle;

/** One line per kind; the suite does not compile if one does not fit. */
export type Promised = [
  Fits<ValueHandle<Flight>, ValueState<Flight, Flight>>,
  Fits<ValueHandle<number | undefined>, ValueState<number | undefined>>,
  Fits<NumberHandle, NumberState>,
  Fits<ListHandle<Flight>, ListState<Flight>>,
  Fits<MapHandle<string, Flight>, MapState<string, Flight>>,
  Fits<TimerHandle, Timer>,
];

it('compiles', () => {
  const kinds: Promised['length'] = 6;
  assert.equal(kinds, 6);
});
