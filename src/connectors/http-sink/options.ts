/** Reads the options of an HTTP sink, and says all that is wrong with them. */
import { parseDuration } from '../../base/duration.js';
import { TidemarkError } from '../../base/errors.js';
import { type Bag, isBag, unknownNames } from '../../graph/bag.js';
import { show } from '../../graph/names.js';
import { amountFindings, countFindings } from '../amounts.js';
import type { HttpHeaders, HttpSinkOptions } from '../http-sink.js';
import type { Retries } from './answers.js';
import { type HttpTarget, readTarget } from './target.js';

export interface HttpSettings<T> {
  readonly target: HttpTarget;
  readonly method: string;
  readonly headers: HttpHeaders | (() => HttpHeaders | Promise<HttpHeaders>);
  readonly contentType: string;
  readonly batch: number;
  readonly linger: number;
  readonly timeout: number;
  readonly retries: Retries;
  readonly encode: ((elements: readonly T[]) => string | Uint8Array) | undefined;
}

const METHODS: readonly unknown[] = ['POST', 'PUT', 'PATCH'];
const OPTIONS = ['method', 'headers', 'batch', 'linger', 'timeout', 'retries', 'encode', 'contentType'];

/** @throws TidemarkError DEFINITION_INVALID, which shows neither the URL nor headers. */
export function readHttpSinkOptions<T>(url: string, options: HttpSinkOptions<T>): HttpSettings<T> {
  const target = readTarget(url);
  const findings = target === undefined ? ['the URL is none of http:// or https://'] : [];
  if (isBag(options)) findings.push(...optionFindings(options));
  else findings.push(`expected options, found ${show(options)}`);
  if (target === undefined || findings.length > 0)
    throw new TidemarkError('DEFINITION_INVALID', `httpSink(): ${findings.join('; ')}`);
  const { retries = {} } = options;
  return {
    target,
    method: options.method ?? 'POST',
    headers: options.headers ?? {},
    contentType: options.contentType ?? 'application/json',
    batch: options.batch ?? 100,
    linger: parseDuration(options.linger ?? '1s', 'linger'),
    timeout: parseDuration(options.timeout ?? '30s', 'timeout'),
    retries: {
      attempts: retries.attempts ?? 5,
      delay: parseDuration(retries.delay ?? '200ms', 'retries.delay'),
      factor: retries.factor ?? 2,
      most: parseDuration(retries.most ?? '10s', 'retries.most'),
    },
    encode: options.encode,
  };
}

function optionFindings(options: Bag): string[] {
  const findings = unknownNames(options, OPTIONS);
  const { method, headers, batch, linger, timeout, retries, encode, contentType } = options;
  if (method !== undefined && !METHODS.includes(method))
    findings.push(`method: expected one of ${METHODS.join(', ')}, found ${show(method)}`);
  if (headers !== undefined && typeof headers !== 'function') {
    const problem = headersProblem(headers);
    if (problem !== undefined) findings.push(problem);
  }
  if (batch !== undefined) findings.push(...countFindings('batch', batch));
  if (linger !== undefined)
    findings.push(...amountFindings('linger', 'a duration', linger, parseDuration, true));
  if (timeout !== undefined)
    findings.push(...amountFindings('timeout', 'a duration', timeout, parseDuration));
  if (encode !== undefined && typeof encode !== 'function')
    findings.push(`encode: expected a function, found ${show(encode)}`);
  if (contentType !== undefined && headersProblem({ 'content-type': contentType }) !== undefined)
    findings.push(`contentType: expected the type of a body, found ${show(contentType)}`);
  if (retries !== undefined) findings.push(...retriesFindings(retries));
  return findings;
}

function retriesFindings(retries: unknown): string[] {
  if (!isBag(retries)) return [`retries: expected { attempts, delay, factor, most }, found ${show(retries)}`];
  const findings = unknownNames(retries, ['attempts', 'delay', 'factor', 'most']).map(
    (each) => `retries: ${each}`,
  );
  const { attempts, delay, factor, most } = retries;
  if (attempts !== undefined) findings.push(...countFindings('retries.attempts', attempts));
  for (const [name, value] of [
    ['retries.delay', delay],
    ['retries.most', most],
  ] as const)
    if (value !== undefined) findings.push(...amountFindings(name, 'a duration', value, parseDuration, true));
  if (factor !== undefined && !(Number.isFinite(factor) && Number(factor) >= 1))
    findings.push(`retries.factor: expected a number, 1 or more, found ${show(factor)}`);
  return findings;
}

/** What is wrong with headers, by their names alone: a value may be a secret. */
export function headersProblem(headers: unknown): string | undefined {
  if (!isBag(headers)) return 'headers: expected an object of texts by name';
  for (const [name, value] of Object.entries(headers)) {
    if (name.toLowerCase() === 'idempotency-key') return `headers: ${name} is set by the sink`;
    if (typeof value !== 'string' || !isHeader(name, value))
      return `headers: ${show(name)}, or what it is to be, cannot stand in a header`;
  }
  return undefined;
}

function isHeader(name: string, value: string): boolean {
  try {
    new Headers([[name, value]]);
    return true;
  } catch {
    return false;
  }
}
