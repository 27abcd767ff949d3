/** Reads the options of a file sink, and says all that is wrong with them. */
import { parseDuration } from '../../base/duration.js';
import { TidemarkError } from '../../base/errors.js';
import { parseSize } from '../../base/size.js';
import { type Bag, isBag, unknownNames } from '../../graph/bag.js';
import { show } from '../../graph/names.js';
import { amountFindings } from '../amounts.js';
import { csvEncoder, isCsvFormat } from '../csv-format.js';
import type { FileSinkOptions } from '../file-sink.js';
import { customEncoding, type Encoding, jsonEncoding } from './encoder.js';
import { isPrefix } from './names.js';
import type { PartLimits } from './rolling.js';

const DEFAULT_PREFIX = 'part';
/** As gzip(1) has it. */
const DEFAULT_LEVEL = 6;

export interface FileSinkSettings<T> {
  readonly prefix: string;
  readonly encoding: Encoding<T>;
  readonly gzip: number | undefined;
  readonly part: PartLimits | undefined;
}

/** @throws TidemarkError DEFINITION_INVALID */
export function readFileSinkOptions<T>(folder: string, options: FileSinkOptions<T>): FileSinkSettings<T> {
  const findings = isBag(options)
    ? optionFindings(folder, options)
    : [`expected options, found ${show(options)}`];
  if (findings.length > 0)
    throw new TidemarkError('DEFINITION_INVALID', `fileSink(${show(folder)}): ${findings.join('; ')}`);
  const { prefix = DEFAULT_PREFIX, gzip, part } = options;
  return {
    prefix,
    encoding: encodingOf(options),
    gzip: gzip === undefined || gzip === false ? undefined : gzip === true ? DEFAULT_LEVEL : gzip.level,
    part: part === undefined ? undefined : limitsOf(part),
  };
}

function encodingOf<T>({ encode, format }: FileSinkOptions<T>): Encoding<T> {
  if (encode !== undefined) return customEncoding(encode);
  if (format === undefined || format === 'json') return jsonEncoding;
  return { extension: '.csv', encoder: (sink) => csvEncoder(format, sink) };
}

function limitsOf({ size, every }: NonNullable<FileSinkOptions<unknown>['part']>): PartLimits {
  return {
    size: size === undefined ? Number.POSITIVE_INFINITY : parseSize(size, 'part.size'),
    every: every === undefined ? Number.POSITIVE_INFINITY : parseDuration(every, 'part.every'),
  };
}

function optionFindings(folder: unknown, options: Bag): string[] {
  const findings = unknownNames(options, ['encode', 'format', 'gzip', 'part', 'prefix']);
  const { encode, format, gzip, part, prefix } = options;
  if (typeof folder !== 'string' || folder === '') findings.push('the folder is a non-empty string');
  if (prefix !== undefined && !isPrefix(prefix))
    findings.push('the prefix is 1 to 40 letters, digits, _ . or -, and begins with none of . and -');
  if (encode !== undefined && typeof encode !== 'function')
    findings.push(`encode: expected a function, found ${show(encode)}`);
  if (encode !== undefined && format !== undefined) findings.push('encode and format are both given');
  if (format !== undefined && format !== 'json' && !isCsvFormat(format))
    findings.push(`format: expected 'json' or csv({ columns }), found ${show(format)}`);
  if (gzip !== undefined && typeof gzip !== 'boolean' && !isLevel(gzip))
    findings.push(`gzip: expected true, false or { level } from 1 to 9, found ${show(gzip)}`);
  if (part !== undefined) findings.push(...partFindings(part));
  return findings;
}

function isLevel(value: unknown): boolean {
  if (!isBag(value) || Object.keys(value).length !== 1) return false;
  const { level } = value;
  return Number.isInteger(level) && Number(level) >= 1 && Number(level) <= 9;
}

function partFindings(part: unknown): string[] {
  if (!isBag(part)) return [`part: expected { size, every }, found ${show(part)}`];
  const findings = unknownNames(part, ['size', 'every']).map((finding) => `part: ${finding}`);
  const { size, every } = part;
  if (size === undefined && every === undefined) findings.push('part: neither size nor every is given');
  if (size !== undefined) findings.push(...amountFindings('part.size', 'a size', size, parseSize));
  if (every !== undefined) findings.push(...amountFindings('part.every', 'a duration', every, parseDuration));
  return findings;
}
