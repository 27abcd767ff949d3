/**
 * What an upgrade does next, from what is known. Pure: upgrade.ts looks, asks this, and does it, again and again.
 *
 *     check ─▶ prove ─▶ stop ─▶ restore ─▶ start ─▶ await ─▶ upgraded
 *       └────────┴────────┴─▶ refused         │        │
 *                                 │  fence ◀──┴────────┘  no checkpoint: it failed, or the time or the patience is over
 *                                 ▼    │
 *              rolled back ◀─ start-old ◀─ restore-old ◀─ end-new
 *
 * Invariants: nothing is stopped before the check has passed and the old code has been proven to start; the old
 * version is restored only when the new one is over without a checkpoint, so that no output is written by both; a new
 * version that has completed a checkpoint stays, since its sinks may have committed it.
 */

/** Forward, until somebody wants it back. */
export type Wish = 'forward' | 'back';

export type Answer = 'open' | 'passed' | 'refused';

/** `stopped`: with the savepoint of the upgrade; `ended`: by itself or by somebody else; `down`: it failed. */
export type OldVersion = 'runs' | 'stopped' | 'ended' | 'down';

export type NewVersion =
  | 'none'
  /** It has a row in the catalog, and no process. */
  | 'created'
  /** It runs, without a checkpoint. */
  | 'trial'
  /** The same, and the time for its first checkpoint is over. */
  | 'expired'
  /** Over or restarted without a checkpoint. */
  | 'failed'
  /** Nothing that its process writes counts any more. */
  | 'fenced'
  /** Canceled: its place is free. */
  | 'gone'
  /** Its first checkpoint is complete, and its sinks are committing. */
  | 'committing'
  | 'proven'
  /** It had completed a checkpoint, and does not run any more. */
  | 'down';

/** The old version, restored from the savepoint. */
export type RestoredVersion = 'none' | 'created' | 'runs' | 'down';

export interface Known {
  readonly wish: Wish;
  /** Whether the new code takes the state. */
  readonly check: Answer;
  /** Whether the old code still starts. */
  readonly proof: Answer;
  /** `refused`: the old version could not be stopped. */
  readonly stop: 'open' | 'refused';
  readonly old: OldVersion;
  readonly next: NewVersion;
  readonly back: RestoredVersion;
}

export type Step =
  | 'check'
  | 'prove'
  | 'stop'
  | 'restore'
  | 'start'
  | 'await'
  | 'fence'
  | 'end-new'
  | 'restore-old'
  | 'start-old';

/** `refused`: untouched; `stranded`: neither version runs. */
export type Outcome = 'upgraded' | 'refused' | 'rolled-back' | 'stranded';

export type Next =
  | { readonly kind: 'step'; readonly step: Step }
  | { readonly kind: 'end'; readonly outcome: Outcome };

export function nextOfUpgrade(known: Known): Next {
  const { wish, back, next } = known;
  if (back === 'runs') return end('rolled-back');
  if (back === 'down') return end('stranded');
  if (back === 'created') return step('start-old');
  switch (next) {
    case 'proven':
      return end('upgraded');
    case 'down':
      return end('stranded');
    case 'committing':
      return step('await');
    case 'created':
      return step(wish === 'forward' ? 'start' : 'fence');
    case 'trial':
      return step(wish === 'forward' ? 'await' : 'fence');
    case 'expired':
    case 'failed':
      return step('fence');
    case 'fenced':
      return step('end-new');
    case 'gone':
      return step('restore-old');
    case 'none':
      return withoutNew(known);
  }
}

function withoutNew({ wish, check, proof, stop, old }: Known): Next {
  if (old === 'stopped') return step(wish === 'forward' ? 'restore' : 'restore-old');
  if (old === 'down') return end('stranded');
  if (old === 'ended') return end('refused');
  const refused = check === 'refused' || proof === 'refused' || stop === 'refused';
  if (wish === 'back' || refused) return end('refused');
  if (check === 'open') return step('check');
  return step(proof === 'open' ? 'prove' : 'stop');
}

function step(which: Step): Next {
  return { kind: 'step', step: which };
}

function end(outcome: Outcome): Next {
  return { kind: 'end', outcome };
}
