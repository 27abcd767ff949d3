/** A server that takes batches, and does with each request what it is told. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * `lost`: takes the batch, and closes the connection before it answers. `half`: the same, in the middle of its answer.
 * `close`: closes it before it has read anything. `hang`: never answers. A number: the status, without taking it.
 */
export type Deed = 'ok' | 'lost' | 'half' | 'close' | 'hang' | number;

export interface Taken {
  readonly key: string;
  readonly body: Buffer;
}

export class BatchServer {
  /** What to do next; `ok` when there is no more. */
  deeds: Deed[] = [];
  /** What it took, also what it took twice. */
  readonly taken: Taken[] = [];
  readonly requests: { readonly method: string; readonly headers: IncomingMessage['headers'] }[] = [];
  /** Of answers that are no 2xx. */
  answer: { readonly headers: Record<string, string>; readonly body: string } = { headers: {}, body: '' };
  readonly #server: Server = createServer((request, response) => void this.#serve(request, response));

  static async start(): Promise<BatchServer> {
    const server = new BatchServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The JSON arrays it took, each key once: what a server makes of it that remembers keys. */
  elements(): unknown[] {
    const once = new Map(this.taken.map(({ key, body }) => [key, body]));
    return [...once.values()].flatMap((body) => JSON.parse(String(body)) as unknown[]);
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const deed = this.deeds.shift() ?? 'ok';
    this.requests.push({ method: request.method ?? '', headers: request.headers });
    if (deed === 'close') return void request.socket.destroy();
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (typeof deed === 'number')
      return void response.writeHead(deed, this.answer.headers).end(this.answer.body);
    if (deed === 'hang') return;
    this.taken.push({ key: String(request.headers['idempotency-key']), body: Buffer.concat(chunks) });
    if (deed === 'lost') return void request.socket.destroy();
    if (deed === 'half') {
      response.writeHead(200, { 'content-length': '100' }).flushHeaders();
      response.write('{"ok"', () => request.socket.destroy());
      return;
    }
    response.end('{"ok":true}');
  }
}
