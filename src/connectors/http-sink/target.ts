/** Where requests go, and what of that nobody is shown. */

/** Texts that are shorter are no secrets worth hiding, and would be found everywhere. */
const LEAST_SECRET = 4;
/** A path as long may be one that is known to its owner alone, as webhooks have. */
const LEAST_SECRET_PATH = 8;

export interface HttpTarget {
  /** Without user and password, which no request may have in its URL. */
  readonly url: string;
  /** For the log and for errors: neither path nor query. */
  readonly shown: string;
  /** From the user and password in the URL. */
  readonly authorization: string | undefined;
  /** What of the URL no text may show. */
  readonly secrets: readonly string[];
}

/** Undefined for what is no URL of http or https. */
export function readTarget(given: unknown): HttpTarget | undefined {
  if (typeof given !== 'string' || !URL.canParse(given)) return undefined;
  const url = new URL(given);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
  const [user, password] = [decoded(url.username), decoded(url.password)];
  url.username = '';
  url.password = '';
  const { pathname, search, searchParams, origin } = url;
  const path = pathname.length >= LEAST_SECRET_PATH ? [pathname, decoded(pathname)] : [];
  return {
    url: url.href,
    shown: pathname === '/' && search === '' ? origin : `${origin}/…`,
    authorization:
      user === '' && password === ''
        ? undefined
        : `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`,
    secrets: [user, password, search, ...searchParams.values(), ...path],
  };
}

/** The text without the secrets, longest first, so that none leaves a rest behind. */
export function scrubbed(text: string, secrets: readonly string[]): string {
  const longestFirst = [...secrets].sort((a, b) => b.length - a.length);
  let clean = text;
  for (const secret of longestFirst) if (secret.length >= LEAST_SECRET) clean = clean.replaceAll(secret, '…');
  return clean;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
