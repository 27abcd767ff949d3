/** The events that all queries of a test file are asked about, made once; they are those of the default parameters. */
import { Generator } from '../../fixtures/jobs/nexmark/generator.js';
import type { Auction, Bid, Event, Person } from '../../fixtures/jobs/nexmark/types.js';
import { EVENTS } from './run.js';

const START = Date.UTC(2015, 6, 14, 23, 59);
const generator = new Generator({ seed: 1, start: START, pace: 1000, disorder: 500 });

export const all: readonly Event[] = Array.from({ length: EVENTS }, (_, n) => generator.event(n));

export const persons: readonly Person[] = all.filter((event) => event.kind === 'person');
export const auctions: readonly Auction[] = all.filter((event) => event.kind === 'auction');
export const bids: readonly Bid[] = all.filter((event) => event.kind === 'bid');
