/** What to do after a try. Pure. */

export interface Retries {
  /** Tries in all. */
  readonly attempts: number;
  /** Milliseconds before the second try; each further wait is `factor` times the one before, `most` at most. */
  readonly delay: number;
  readonly factor: number;
  readonly most: number;
}

/** How one try ended. `said`: the first bytes of the answer. */
export type Answer =
  | { readonly status: number; readonly retryAfter: string | null; readonly said: string }
  | { readonly failed: string };

export type Verdict = 'done' | 'refused' | 'again';

/** The longest wait that a server may ask for with `Retry-After`. */
export const MAX_RETRY_AFTER_MS = 5 * 60_000;
const REQUEST_TIMEOUT = 408;
const TOO_MANY_REQUESTS = 429;

/** 2xx: done. 408, 429, 5xx, and no answer: again. All else, redirects too: refused, and trying again cannot help. */
export function verdictOn(answer: Answer): Verdict {
  if ('failed' in answer) return 'again';
  const { status } = answer;
  if (status >= 200 && status < 300) return 'done';
  return status >= 500 || status === REQUEST_TIMEOUT || status === TOO_MANY_REQUESTS ? 'again' : 'refused';
}

/** Milliseconds from the `tries`th try to the next. A longer `Retry-After` is heeded. */
export function waitAfter(answer: Answer, tries: number, retries: Retries, now: number): number {
  const backoff = Math.min(retries.delay * retries.factor ** (tries - 1), retries.most);
  const asked = 'failed' in answer ? 0 : askedFor(answer.retryAfter, now);
  return Math.max(backoff, Math.min(asked, MAX_RETRY_AFTER_MS));
}

/** `Retry-After`: seconds, or a date (RFC 9110). What is neither counts as none. */
function askedFor(header: string | null, now: number): number {
  if (header === null) return 0;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return ms > 0 ? ms : 0;
}
