/** How to reach the brokers: what a definition says, checked. */
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { formatDuration, parseDuration } from '../../base/duration.js';
import { TidemarkError } from '../../base/errors.js';
import { type Bag, isBag, unknownNames } from '../../graph/bag.js';

/** A secret, or what gives it each time a connection is made. */
export type KafkaSecret = string | (() => string | Promise<string>);

export type KafkaSasl =
  | {
      readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
      readonly username: KafkaSecret;
      readonly password: KafkaSecret;
    }
  | { readonly mechanism: 'OAUTHBEARER'; readonly token: KafkaSecret };

export interface KafkaClientOptions {
  /** What brokers log and meter this client by. Default `tidemark`. */
  readonly clientId?: string;
  /** `true`, or what `tls.connect` takes: certificates, `servername`. Default: no TLS. */
  readonly tls?: true | TlsOptions;
  readonly sasl?: KafkaSasl;
  /** Of one request, `'30s'` or milliseconds. Default 30 s. */
  readonly requestTimeout?: string | number;
  /** How long to try again, before a failure fails the attempt of the job. Default 30 s. */
  readonly patience?: string | number;
  /**
   * A file (`import.meta.url`) from whose folder `@platformatic/kafka` is found. Default: the folder where the job was
   * first started, then tidemark's own.
   */
  readonly resolveFrom?: string | URL;
}

export interface BrokerOptions {
  /** `host:port`, one or more; the rest of the cluster is learnt from them. */
  readonly brokers: string | readonly string[];
  readonly topic: string;
  readonly client?: KafkaClientOptions;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `BrokerOptions`, read. Milliseconds. */
export interface Reach {
  readonly brokers: readonly Address[];
  readonly clientId: string;
  readonly tls: TlsOptions | undefined;
  readonly sasl: KafkaSasl | undefined;
  readonly requestTimeout: number;
  readonly patience: number;
  readonly resolveFrom: string | URL | undefined;
}

/** What becomes of messages that were deleted before they were read. */
export type Deleted = 'fail' | 'skip';
/** What becomes of a transaction that the brokers ended before it could be committed. */
export type Lost = 'fail' | 'skip';

const DEFAULT_PORT = 9092;
const DEFAULT_TIMEOUT = 30_000;
const CLIENT = ['clientId', 'tls', 'sasl', 'requestTimeout', 'patience', 'resolveFrom'];
const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'];

/** Findings on the options that a source and a sink share; `known` are the names of all options. */
export function brokerFindings(options: Bag, known: readonly string[]): string[] {
  const findings = unknownNames(options, ['brokers', 'topic', 'client', ...known]);
  const brokers = typeof options['brokers'] === 'string' ? [options['brokers']] : options['brokers'];
  if (!Array.isArray(brokers) || brokers.length === 0)
    findings.push('brokers: expected one or more host:port');
  else {
    for (const broker of brokers as unknown[]) {
      if (typeof broker !== 'string' || addressOf(broker) === undefined)
        findings.push(`brokers: expected host:port, found ${JSON.stringify(broker)}`);
    }
  }
  if (!isTopicName(options['topic']))
    findings.push('topic: expected 1 to 249 letters, digits, _ . or -, and neither . nor ..');
  return [...findings, ...clientFindings(options['client'])];
}

function clientFindings(client: unknown): string[] {
  if (client === undefined) return [];
  if (!isBag(client)) return ['client: expected an object'];
  const findings = unknownNames(client, CLIENT).map((finding) => `client: ${finding}`);
  for (const name of ['requestTimeout', 'patience']) {
    const finding = durationFinding(client[name], `client.${name}`);
    if (finding !== undefined) findings.push(finding);
  }
  if (
    client['clientId'] !== undefined &&
    (typeof client['clientId'] !== 'string' || client['clientId'] === '')
  )
    findings.push('client.clientId: expected a non-empty string');
  const { tls, sasl } = client;
  if (tls !== undefined && tls !== true && !isBag(tls))
    findings.push('client.tls: expected true or an object as tls.connect takes it');
  if (sasl !== undefined && !isSasl(sasl))
    findings.push(
      `client.sasl: expected a mechanism (${MECHANISMS.join(', ')}) with username and password, or token`,
    );
  return findings;
}

function isSasl(sasl: unknown): boolean {
  if (!isBag(sasl) || !MECHANISMS.includes(String(sasl['mechanism']))) return false;
  const isSecret = (value: unknown) => typeof value === 'string' || typeof value === 'function';
  if (sasl['mechanism'] === 'OAUTHBEARER') return isSecret(sasl['token']);
  return isSecret(sasl['username']) && isSecret(sasl['password']);
}

/** A finding unless the value is absent or a duration of at least `least` milliseconds. */
export function durationFinding(value: unknown, name: string, least = 1): string | undefined {
  if (value === undefined) return undefined;
  const read = typeof value === 'string' || typeof value === 'number' ? tryDuration(value) : undefined;
  if (read !== undefined && read >= least) return undefined;
  return `${name}: expected a duration of at least ${formatDuration(least)}, found ${JSON.stringify(value)}`;
}

function tryDuration(value: string | number): number | undefined {
  try {
    return parseDuration(value, '');
  } catch {
    return undefined;
  }
}

export function isTopicName(value: unknown): value is string {
  return (
    typeof value === 'string' && /^[A-Za-z0-9._-]{1,249}$/.test(value) && value !== '.' && value !== '..'
  );
}

/** `host`, `host:9092` or `[::1]:9092`; undefined for anything else. */
export function addressOf(broker: string): Address | undefined {
  const [, ip, name, digits] = /^(?:\[([0-9a-fA-F:]+)\]|([^\s:/@[\]]+))(?::(\d{1,5}))?$/.exec(broker) ?? [];
  const host = ip ?? name;
  const port = digits === undefined ? DEFAULT_PORT : Number(digits);
  return host === undefined || port === 0 || port > 65_535 ? undefined : { host, port };
}

/** To be called with options that have no findings. */
export function reachOf({ brokers, client = {} }: BrokerOptions): Reach {
  const duration = (name: 'requestTimeout' | 'patience') =>
    parseDuration(client[name] ?? DEFAULT_TIMEOUT, `client.${name}`);
  return {
    brokers: listOf(brokers).flatMap((broker) => addressOf(broker) ?? []),
    clientId: client.clientId ?? 'tidemark',
    tls: client.tls === true ? {} : client.tls,
    sasl: client.sasl,
    requestTimeout: duration('requestTimeout'),
    patience: duration('patience'),
    resolveFrom: client.resolveFrom,
  };
}

/** What `plan` shows, and errors name; no secret stands in it. */
export function describeTopic({ brokers, topic }: BrokerOptions): string {
  return `topic ${topic} at ${listOf(brokers).join(', ')}`;
}

function listOf(brokers: BrokerOptions['brokers']): readonly string[] {
  return typeof brokers === 'string' ? [brokers] : brokers;
}

/** DEFINITION_INVALID with all findings, when there are any. */
export function refuse(what: string, findings: readonly string[]): void {
  if (findings.length > 0) throw new TidemarkError('DEFINITION_INVALID', `${what}: ${findings.join('; ')}`);
}
