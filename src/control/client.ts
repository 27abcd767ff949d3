/** Asks a running job something over its control socket. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { type ErrorDetails, systemCode, TidemarkError } from '../base/errors.js';
import { isErrorCode, MAX_ANSWER } from './protocol.js';

/**
 * Resolves with the job's answer. Rejects with the job's own error, with NO_ANSWER when nothing answers at the
 * socket, or with TIMEOUT after `timeoutMs` milliseconds (0: no limit), while the job goes on with what it was asked.
 * Aborting `signal` closes the connection.
 */
export async function callControl(
  socket: string,
  method: 'GET' | 'POST',
  path: string,
  body: Readonly<Record<string, unknown>> | undefined,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<unknown> {
  const limit = new AbortController();
  const either = signal === undefined ? limit.signal : AbortSignal.any([limit.signal, signal]);
  const timer = timeoutMs > 0 ? setTimeout(() => limit.abort(), timeoutMs) : undefined;
  try {
    const response = await send(socket, method, path, body, either);
    const text = await readAnswer(response);
    return understand(response.statusCode ?? 0, text);
  } catch (error) {
    if (limit.signal.aborted) throw timedOut(timeoutMs);
    throw error instanceof TidemarkError ? error : noAnswer(socket, error);
  } finally {
    clearTimeout(timer);
  }
}

function send(
  socketPath: string,
  method: string,
  path: string,
  body: Readonly<Record<string, unknown>> | undefined,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const headers =
      text === '' ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
    const request = httpRequest({ socketPath, method, path, headers, signal, agent: false }, resolve);
    request.on('error', reject);
    request.end(text);
  });
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER) throw notOurs(`more than ${MAX_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function understand(status: number, text: string): unknown {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw notOurs(`status ${status} and no JSON`);
  }
  if (status === 200) return answer;
  throw errorIn(answer) ?? notOurs(`status ${status} and no error document`);
}

const DETAILS = ['hint', 'operator', 'element', 'at', 'position'] as const;

function errorIn(answer: unknown): TidemarkError | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined;
  const fields = answer as Readonly<Record<string, unknown>>;
  const { code, message } = fields;
  if (!isErrorCode(code) || typeof message !== 'string') return undefined;
  const details: ErrorDetails = Object.fromEntries(
    DETAILS.flatMap((name) => (typeof fields[name] === 'string' ? [[name, fields[name]]] : [])),
  );
  return new TidemarkError(code, message, details);
}

function noAnswer(socket: string, error: unknown): TidemarkError {
  const code = systemCode(error);
  const reason = code ?? (error instanceof Error ? error.message : String(error));
  if (code === 'EACCES' || code === 'EPERM') {
    return new TidemarkError('PERMISSION', `the job's control socket ${socket} belongs to another user`, {
      hint: 'run the command as the user who runs the job',
      cause: error,
    });
  }
  return new TidemarkError('NO_ANSWER', `the job's process does not answer at ${socket} (${reason})`, {
    hint: 'tidemark list shows whether it still runs; a lost job goes on with: tidemark resume <job>',
    cause: error,
  });
}

function notOurs(found: string): TidemarkError {
  return new TidemarkError('NO_ANSWER', `the control socket gave something else than an answer: ${found}`);
}

function timedOut(ms: number): TidemarkError {
  return new TidemarkError('TIMEOUT', `no answer within ${ms} ms; the job goes on with what it was asked`, {
    hint: 'look again with: tidemark status <job>, or give a longer --timeout',
  });
}
