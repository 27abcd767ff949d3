/** A second process for tests: does what its parent says over IPC, one order at a time. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { homePaths } from '../../src/base/home.js';
import { systemRandom } from '../../src/base/random.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { acquireLock, isLocked, type Lock } from '../../src/catalog/lock.js';
import { claimTarget, type TargetClaim, type TargetOwner } from '../../src/catalog/target-lock.js';
import { frozen } from './fixture.js';

export type Order =
  | { readonly do: 'acquire' | 'release' | 'is-locked'; readonly path: string }
  | { readonly do: 'open'; readonly path: string }
  /** Makes jobs of that name prefix, one after the other. */
  | { readonly do: 'create'; readonly name: string; readonly count: number }
  | { readonly do: 'begin'; readonly job: string }
  | { readonly do: 'claim'; readonly path: string; readonly owner: TargetOwner }
  /** Takes and frees the lock, or only looks at it, so often; answers how often it was held or seen held. */
  | { readonly do: 'hammer-acquire' | 'hammer-probe'; readonly path: string; readonly count: number };

const locks = new Map<string, Lock>();
const claims: TargetClaim[] = [];
let catalog: Catalog | undefined;

function obey(order: Order): unknown {
  switch (order.do) {
    case 'acquire': {
      const lock = acquireLock(order.path, { pid: process.pid });
      if (lock !== undefined) locks.set(order.path, lock);
      return lock !== undefined;
    }
    case 'release':
      locks.get(order.path)?.release();
      return true;
    case 'is-locked':
      return isLocked(order.path);
    case 'open':
      catalog = Catalog.open(homePaths(order.path), {
        create: true,
        clock: systemClock,
        random: systemRandom,
      });
      return true;
    case 'create': {
      const ids: string[] = [];
      for (let i = 0; i < order.count; i++) {
        const name = order.count === 1 ? order.name : `${order.name}-${i}`;
        ids.push(catalog?.createJob(frozen(name)).id ?? '');
      }
      return ids;
    }
    case 'begin': {
      const lock = catalog?.lockJob(order.job, { pid: process.pid });
      if (lock !== undefined) locks.set(order.job, lock);
      return lock === undefined
        ? 'locked'
        : catalog?.beginAttempt(order.job, { pid: process.pid, socket: undefined });
    }
    case 'claim':
      claims.push(claimTarget(order.path, order.owner));
      return true;
    case 'hammer-acquire':
    case 'hammer-probe':
      return hammer(order.do, order.path, order.count);
  }
}

function hammer(what: 'hammer-acquire' | 'hammer-probe', path: string, count: number): number {
  let seen = 0;
  for (let i = 0; i < count; i++) {
    if (what === 'hammer-probe') {
      if (isLocked(path)) seen++;
      continue;
    }
    const lock = acquireLock(path, { pid: process.pid });
    if (lock !== undefined) seen++;
    lock?.release();
  }
  return seen;
}

export interface Peer {
  readonly pid: number;
  tell(order: Order): Promise<unknown>;
  /** `kill -9`; resolves when the process is gone. */
  kill(): Promise<void>;
}

/** What an order failed with. */
export class PeerFailure extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export async function startPeer(t: TestContext): Promise<Peer> {
  const child = fork(new URL(import.meta.url), ['peer'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const gone = once(child, 'exit');
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'message');
  return {
    pid: child.pid ?? -1,
    async tell(order) {
      const answer = once(child, 'message');
      child.send(order);
      const [reply]: { result?: unknown; code?: string; message?: string }[] = await answer;
      if (reply?.code !== undefined) throw new PeerFailure(reply.code, reply.message ?? '');
      return reply?.result;
    },
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

if (process.argv[2] === 'peer' && process.send !== undefined) {
  const send = process.send.bind(process);
  process.on('message', (order: Order) => {
    try {
      send({ result: obey(order) });
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
      send({ code, message: String(error) });
    }
  });
  process.on('disconnect', () => process.exit());
  send({ result: 'ready' });
}
