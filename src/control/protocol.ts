/**
 * What a running job can be asked over its control socket, and in which words.
 *
 *     GET  /v1/status                       the job, its operators and subtasks
 *     POST /v1/checkpoint  {"full": true}   takes a checkpoint; answers once it is complete; {"withSavepoint": PATH,
 *                                           "force", "reason", "sign": PATH} saves it as a savepoint, too, and answers after that
 *     POST /v1/savepoint   {"output": PATH, "force", "reason", "sign": PATH, "stop", "drain"}
 *                                           takes a savepoint; answers once the archive has its name;
 *                                           PATH/ with a slash at the end: into that folder, under the default name;
 *                                           {"at": PATH, "timeout": MS} once all splits wait where they were in that
 *                                           archive, for as long as the connection stays open; {"await": true} that
 *                                           archive is still to be made, and nothing is read until it is there
 *     POST /v1/suspend                      a last checkpoint, then the job is suspended; answers once it is told
 *     POST /v1/cancel                       ends the job for good; answers once it is told
 *
 * Every answer is one JSON document. A refusal is `{"type":"error","code","message","hint"}`, with a status that
 * follows from the code. Fields are added, never renamed.
 */
import { isAbsolute } from 'node:path';
import { CODES, type ErrorCode, type ErrorRecord, EXIT, TidemarkError } from '../base/errors.js';

export interface ControlHandlers {
  status(): Promise<unknown>;
  checkpoint(request: ControlCheckpoint): Promise<unknown>;
  /** A savepoint; with `stop`, the job ends with it. `gone` is aborted when the caller has gone before its answer. */
  savepoint(request: ControlSavepoint, gone: AbortSignal): Promise<unknown>;
  suspend(): Promise<unknown>;
  cancel(): Promise<unknown>;
}

/** Where an archive goes that a job is asked for. */
export interface ControlOutput {
  /** Absolute path of the archive; a folder, in which the job gives it a name, when it ends in `/`. */
  readonly output: string;
  readonly force: boolean;
  readonly reason: string | undefined;
  /** Absolute path of the private key that signs it. */
  readonly sign: string | undefined;
}

export interface ControlCheckpoint {
  /** It holds all state, whatever the job's mode. */
  readonly full: boolean;
  /** A savepoint of the same barrier, if one is wanted. */
  readonly savepoint: ControlOutput | undefined;
}

export interface ControlSavepoint extends ControlOutput {
  readonly stop: boolean;
  readonly drain: boolean;
  /** Absolute path of an archive, at whose positions all splits wait for it. */
  readonly at: string | undefined;
  /** It is still to be made: nothing is read until it is there. */
  readonly await: boolean;
  /** Milliseconds they may take to come there. */
  readonly timeout: number | undefined;
}

export interface ErrorDocument extends ErrorRecord {
  readonly type: 'error';
}

export interface Route {
  readonly method: 'GET' | 'POST';
  /** Fields that the request's body may have, and their types. */
  readonly fields: Readonly<Record<string, 'boolean' | 'string' | 'number'>>;
  call(
    handlers: ControlHandlers,
    body: Readonly<Record<string, unknown>>,
    gone: AbortSignal,
  ): Promise<unknown>;
}

export const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/v1/status', { method: 'GET', fields: {}, call: (handlers) => handlers.status() }],
  [
    '/v1/checkpoint',
    {
      method: 'POST',
      fields: {
        full: 'boolean',
        withSavepoint: 'string',
        force: 'boolean',
        reason: 'string',
        sign: 'string',
      },
      call: (handlers, body) => handlers.checkpoint(checkpointOf(body)),
    },
  ],
  [
    '/v1/savepoint',
    {
      method: 'POST',
      fields: {
        output: 'string',
        force: 'boolean',
        reason: 'string',
        sign: 'string',
        stop: 'boolean',
        drain: 'boolean',
        at: 'string',
        await: 'boolean',
        timeout: 'number',
      },
      call: (handlers, body, gone) => handlers.savepoint(savepointOf(body), gone),
    },
  ],
  ['/v1/suspend', { method: 'POST', fields: {}, call: (handlers) => handlers.suspend() }],
  ['/v1/cancel', { method: 'POST', fields: {}, call: (handlers) => handlers.cancel() }],
]);

function checkpointOf(body: Readonly<Record<string, unknown>>): ControlCheckpoint {
  const { withSavepoint } = body;
  const savepoint = withSavepoint === undefined ? undefined : outputOf(body, 'withSavepoint');
  return { full: body['full'] === true, savepoint };
}

function savepointOf(body: Readonly<Record<string, unknown>>): ControlSavepoint {
  const { at, timeout } = body;
  const stop = body['stop'] === true;
  if (at !== undefined && (typeof at !== 'string' || !isAbsolute(at) || at.includes('\0')))
    throw new TidemarkError('USAGE', 'at must be an absolute path');
  if (at !== undefined && stop)
    throw new TidemarkError('USAGE', 'a stop waits at no positions: leave at out');
  if (timeout !== undefined && !(typeof timeout === 'number' && timeout > 0 && timeout <= MAX_TIMEOUT))
    throw new TidemarkError('USAGE', `timeout must be above 0 and at most ${MAX_TIMEOUT} ms`);
  return {
    ...outputOf(body, 'output'),
    stop,
    drain: body['drain'] === true,
    at,
    await: body['await'] === true,
    timeout,
  };
}

function outputOf(body: Readonly<Record<string, unknown>>, field: string): ControlOutput {
  const { [field]: output, reason, sign } = body;
  if (sign !== undefined && (typeof sign !== 'string' || !isAbsolute(sign) || sign.includes('\0')))
    throw new TidemarkError('USAGE', 'sign must be an absolute path');
  if (typeof output !== 'string' || !isAbsolute(output) || output.includes('\0')) {
    throw new TidemarkError('USAGE', `${field} must be an absolute path`);
  }
  if (typeof reason === 'string' && reason.length > MAX_REASON) {
    throw new TidemarkError(
      'USAGE',
      `the reason has ${reason.length} characters, the limit is ${MAX_REASON}`,
      {
        hint: 'say it in fewer words',
      },
    );
  }
  return {
    output,
    reason: typeof reason === 'string' ? reason : undefined,
    force: body['force'] === true,
    sign,
  };
}

/** Milliseconds that splits may be given to come to where they are to wait; the most a timer can. */
export const MAX_TIMEOUT = 2 ** 31 - 1;
/** Characters of a savepoint's reason; what provenance.json takes. */
export const MAX_REASON = 4_096;
/** Bytes of a request's body. */
export const MAX_REQUEST_BODY = 16_384;
/** Bytes of a request's headers. */
export const MAX_REQUEST_HEADER = 8_192;
/** Bytes of an answer that a client takes; a status has about 300 bytes a subtask. */
export const MAX_ANSWER = 64 * 1024 * 1024;
/** Connections that are open at one time; more are dropped. */
export const MAX_CONNECTIONS = 64;
/** Milliseconds in which the headers, and then the whole request, must have arrived. */
export const HEADERS_TIMEOUT = 5_000;
export const REQUEST_TIMEOUT = 10_000;

const STATUS: Readonly<Record<number, number>> = {
  [EXIT.usage]: 400,
  [EXIT.notFound]: 404,
  [EXIT.conflict]: 409,
  [EXIT.incompatible]: 422,
  [EXIT.noAnswer]: 504,
};

/** The HTTP status of an error: what the caller did wrong is 4xx, the rest 5xx. */
export function statusOf(code: ErrorCode): number {
  return STATUS[CODES[code]] ?? 500;
}

export function isErrorCode(text: unknown): text is ErrorCode {
  return typeof text === 'string' && Object.hasOwn(CODES, text);
}
