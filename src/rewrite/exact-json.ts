/** JSON that loses nothing: a whole number that JavaScript would round to another is refused. */
import { TidemarkError } from '../base/errors.js';

/** Strings, which are passed over, and numbers that may be too long or too large to be exact. */
const TOKENS = /"(?:[^"\\]|\\.)*"|(?<![\d.eE])-?\d{16,}(?![\d.eE])|-?[\d.]+[eE]\+?\d{3,}/g;

/** @throws TidemarkError USAGE for what is no JSON, and for a whole number that no double is. */
export function parseExactJson(text: string): unknown {
  const json = parse(text);
  if (/\d{16}|[eE]\+?\d{3}/.test(text)) refuseRounded(text);
  return json;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TidemarkError('USAGE', `not JSON: ${why.slice(0, 200)}`);
  }
}

function refuseRounded(text: string): void {
  for (const [token] of text.matchAll(TOKENS)) {
    if (token.startsWith('"') || isExact(token)) continue;
    const shown = token.length > 40 ? `${token.slice(0, 40)}…` : token;
    const instead = /^-?\d+$/.test(token) ? `; write {"$bigint":"${shown}"}` : '';
    throw new TidemarkError('USAGE', `the number ${shown} would be rounded${instead}`);
  }
}

/** As JavaScript itself would print it, which pads large doubles with zeros, or exactly a double. */
function isExact(token: string): boolean {
  const number = Number(token);
  if (!/^-?\d+$/.test(token)) return Number.isFinite(number);
  return String(number) === token || (Number.isFinite(number) && BigInt(number) === BigInt(token));
}
