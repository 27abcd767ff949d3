/**
 * The control channel of a running job: HTTP over a Unix socket, for `tidemark` and for `curl --unix-socket`.
 *
 * Invariants: only the user who runs the job can connect; a request, however it is made, ends in an answer or a
 * closed connection and never in an exception; what a request can make the process hold is bounded by the limits
 * in protocol.ts.
 */
import { chmod, unlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TidemarkError, toTidemarkError } from '../base/errors.js';
import {
  type ControlHandlers,
  HEADERS_TIMEOUT,
  MAX_CONNECTIONS,
  MAX_REQUEST_BODY,
  MAX_REQUEST_HEADER,
  REQUEST_TIMEOUT,
  ROUTES,
  type Route,
  statusOf,
} from './protocol.js';
import { prepareSocketPlace, type SocketPlace, socketPlaces } from './socket-path.js';

export interface ControlOptions {
  /** The job's folder in its home; its last part is the job's id. The caller holds the job's lock. */
  readonly jobFolder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly handlers: ControlHandlers;
  /** Milliseconds in which a request must have arrived; for tests. */
  readonly requestTimeout?: number;
}

export interface ControlServer {
  /** The socket's path, for the catalog. */
  readonly path: string;
  /** Takes no more requests, lets answers go out for at most a second, removes the socket. */
  close(): Promise<void>;
}

/** Milliseconds that answers under way have when the channel closes. */
const CLOSE_GRACE = 1_000;

/** Opens the channel in the first place that can serve. Rejects with NO_SOCKET and the reasons when none can. */
export async function serveControl(options: ControlOptions): Promise<ControlServer> {
  const reasons: string[] = [];
  for (const place of socketPlaces(options.jobFolder, options.environment)) {
    try {
      return await serveAt(place, options);
    } catch (error) {
      reasons.push(toTidemarkError(error).message);
    }
  }
  if (reasons.length === 0) reasons.push('every path for it has more than 107 bytes');
  throw new TidemarkError('NO_SOCKET', `no place for the job's control socket: ${reasons.join('; ')}`, {
    hint: 'set XDG_RUNTIME_DIR to a folder of your own with a short path',
  });
}

async function serveAt(place: SocketPlace, options: ControlOptions): Promise<ControlServer> {
  await prepareSocketPlace(place);
  const requestTimeout = options.requestTimeout ?? REQUEST_TIMEOUT;
  const server = createServer({
    maxHeaderSize: MAX_REQUEST_HEADER,
    headersTimeout: Math.min(HEADERS_TIMEOUT, requestTimeout),
    requestTimeout,
    connectionsCheckingInterval: Math.min(1_000, requestTimeout),
    keepAlive: false,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on('request', (request, response) => void answer(request, response, options.handlers));
  server.on('clientError', refuseConnection);
  await listen(server, place.path);
  server.on('error', () => {}); // An accept that fails (too many files open) costs that caller only.
  return { path: place.path, close: () => close(server, place.path) };
}

async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
  // Between the two calls the folder, which is 0700, keeps others out.
  await chmod(path, 0o600);
}

async function close(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const grace = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE);
    server.close(() => {
      clearTimeout(grace);
      resolve();
    });
    server.closeIdleConnections();
  });
  await unlink(path).catch(() => {}); // Node has removed it already, where it could.
}

/** Answers what is not HTTP, came too slowly or was too long. */
function refuseConnection(error: Error, socket: Socket): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const reason = 'code' in error && typeof error.code === 'string' ? error.code : error.message;
  const body = errorBody(new TidemarkError('USAGE', `the request was not understood: ${reason}`));
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  handlers: ControlHandlers,
): Promise<void> {
  response.on('error', () => {}); // The caller has gone; what it asked for goes on, unless it waits for `gone`.
  const gone = new AbortController();
  response.on('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  try {
    const route = findRoute(request, response);
    const body = await readBody(request);
    const result = await route.call(handlers, parseBody(body, route.fields), gone.signal);
    send(response, 200, `${JSON.stringify(result ?? {})}\n`);
  } catch (error) {
    const coded = toTidemarkError(error);
    send(response, statusOf(coded.code), errorBody(coded));
  }
}

function findRoute(request: IncomingMessage, response: ServerResponse): Route {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const route = ROUTES.get(path);
  if (route === undefined) {
    throw new TidemarkError('USAGE', `no such path; there are ${[...ROUTES.keys()].join(', ')}`);
  }
  if (request.method !== route.method) {
    response.setHeader('Allow', route.method);
    throw new TidemarkError('USAGE', `${path} takes ${route.method}, found ${request.method ?? 'nothing'}`);
  }
  return route;
}

/** By events and not by `for await`, which closes the connection when it stops early, before the answer is out. */
function readBody(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_REQUEST_BODY) chunks.push(chunk);
      else reject(new TidemarkError('USAGE', `the body has more than ${MAX_REQUEST_BODY} bytes`));
    });
    request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    request.on('error', reject);
    request.on('close', () => reject(new TidemarkError('NO_ANSWER', 'the caller has gone')));
  });
}

function parseBody(text: string, fields: Route['fields']): Readonly<Record<string, unknown>> {
  if (text.trim() === '') return {};
  const body = parseJson(text);
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new TidemarkError('USAGE', 'the body must be a JSON object');
  }
  for (const [name, value] of Object.entries(body)) {
    const found = JSON.stringify(name).slice(0, 80);
    const type = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (type === undefined) throw new TidemarkError('USAGE', `unknown field ${found} in the body`);
    if (typeof value !== type) throw new TidemarkError('USAGE', `field ${found} must be a ${type}`);
  }
  return body as Record<string, unknown>;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new TidemarkError('USAGE', 'the body is not JSON');
  }
}

function errorBody(error: TidemarkError): string {
  const { stack: _stack, ...record } = error.toRecord();
  return `${JSON.stringify({ type: 'error', ...record })}\n`;
}

function send(response: ServerResponse, status: number, body: string): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  });
  response.end(body);
}
