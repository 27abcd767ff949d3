import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer as createHttp } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { callControl } from '../../src/control/client.js';
import { type ControlHandlers, MAX_REASON, MAX_REQUEST_BODY } from '../../src/control/protocol.js';
import { type ControlServer, serveControl } from '../../src/control/server.js';
import { MAX_SOCKET_PATH, socketPlaces } from '../../src/control/socket-path.js';

let root = '';
let calls: string[] = [];
const open: ControlServer[] = [];

const handlers: ControlHandlers = {
  status: async () => ({ id: 'job', n: 1 }),
  async checkpoint({ full, savepoint }) {
    calls.push(`checkpoint ${full}`);
    if (savepoint !== undefined) calls.push(`with ${JSON.stringify(savepoint)}`);
    return { id: 7 };
  },
  savepoint: async ({ output, stop }) => ({ path: output, stop }),
  suspend: () => Promise.reject(new TidemarkError('JOB_ENDED', 'it has ended', { hint: 'tidemark list' })),
  cancel: () => Promise.reject(new Error('a bug')),
};

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'tidemark-control-'));
});
afterEach(async () => {
  calls = [];
  for (const server of open.splice(0)) await server.close();
});
after(() => rm(root, { recursive: true, force: true }));

let folders = 0;
function jobFolder(...above: string[]): string {
  return join(root, ...above, `job${folders++}`);
}

async function serve(
  folder = jobFolder(),
  environment: Record<string, string> = {},
  requestTimeout?: number,
): Promise<ControlServer> {
  const server = await serveControl({
    jobFolder: folder,
    environment,
    handlers,
    ...(requestTimeout === undefined ? {} : { requestTimeout }),
  });
  open.push(server);
  return server;
}

/** Sends bytes as they are and collects all that comes back until the other side closes. */
function raw(path: string, bytes: string | Buffer, hold = false): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
    if (hold) socket.write(bytes);
    else socket.end(bytes);
  });
}

function coded(code: string) {
  return (error: unknown) => {
    assert.ok(error instanceof TidemarkError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

describe('the control channel', () => {
  it('answers each route with what its handler gives', async () => {
    const { path } = await serve();
    assert.deepEqual(await callControl(path, 'GET', '/v1/status', undefined, 0), { id: 'job', n: 1 });
    assert.deepEqual(await callControl(path, 'POST', '/v1/checkpoint', { full: true }, 0), { id: 7 });
    assert.deepEqual(await callControl(path, 'POST', '/v1/checkpoint', undefined, 0), { id: 7 });
    const both = { withSavepoint: '/x.tar', force: true, reason: 'why' };
    assert.deepEqual(await callControl(path, 'POST', '/v1/checkpoint', both, 0), { id: 7 });
    const asked = { output: '/x.tar', reason: 'why', force: true };
    assert.deepEqual(calls, [
      'checkpoint true',
      'checkpoint false',
      'checkpoint false',
      `with ${JSON.stringify(asked)}`,
    ]);
  });

  it('hands the job’s coded error to the caller, hint included', async () => {
    const { path } = await serve();
    const failed = callControl(path, 'POST', '/v1/suspend', undefined, 0);
    await assert.rejects(failed, (error) => {
      coded('JOB_ENDED')(error);
      assert.ok(error instanceof TidemarkError);
      assert.equal(error.hint, 'tidemark list');
      return true;
    });
  });

  it('reports a bug in a handler as INTERNAL, without a stack, and goes on', async () => {
    const { path } = await serve();
    await assert.rejects(callControl(path, 'POST', '/v1/cancel', undefined, 0), coded('INTERNAL'));
    const text = await raw(path, 'POST /v1/cancel HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.match(text, /^HTTP\/1.1 500 /);
    assert.doesNotMatch(text, /server\.js/);
    await callControl(path, 'GET', '/v1/status', undefined, 0);
  });

  it('removes its socket when it closes, and then nothing answers', async () => {
    const server = await serve();
    await server.close();
    await assert.rejects(lstat(server.path), { code: 'ENOENT' });
    await assert.rejects(callControl(server.path, 'GET', '/v1/status', undefined, 0), coded('NO_ANSWER'));
  });
});

describe('who can reach it', () => {
  it('only the owner: the socket is 0600 in a folder that is 0700, also when the folder was open', async () => {
    const folder = jobFolder();
    await mkdir(folder, { mode: 0o755 });
    const { path } = await serve(folder);
    assert.equal(path, join(folder, 'control.sock'));
    assert.equal((await lstat(path)).mode & 0o777, 0o600);
    assert.equal((await lstat(folder)).mode & 0o777, 0o700);
  });

  it('a home so deep that its path does not fit a socket gets a place elsewhere', async () => {
    const folder = jobFolder('x'.repeat(100));
    const runtime = await mkdtemp(join(root, 'run-'));
    const { path } = await serve(folder, { XDG_RUNTIME_DIR: runtime });
    assert.equal(dirname(dirname(path)), runtime);
    assert.ok(Buffer.byteLength(path) <= MAX_SOCKET_PATH);
    assert.equal((await lstat(dirname(path))).mode & 0o777, 0o700);
    await callControl(path, 'GET', '/v1/status', undefined, 0);
  });

  it('counts bytes, not letters, and tells copies of a home apart', () => {
    const places = socketPlaces(`/${'ü'.repeat(50)}/jobs/abc`, { XDG_RUNTIME_DIR: '/run/user/5' }, 5);
    assert.match(places[0]?.path ?? '', /^\/run\/user\/5\/tidemark-5\/abc-[0-9a-f]{12}\.sock$/);
    const copy = socketPlaces(`/${'ö'.repeat(50)}/jobs/abc`, { XDG_RUNTIME_DIR: '/run/user/5' }, 5);
    assert.notEqual(copy[0]?.path, places[0]?.path);
  });

  it('a stale socket is taken over; a file or a link in its place is not touched', async () => {
    const folder = jobFolder();
    const first = await serve(folder);
    await first.close();
    const stale = createHttp();
    await new Promise<void>((resolve) => stale.listen(first.path, resolve));
    const second = await serve(folder);
    assert.equal(second.path, first.path);
    await callControl(second.path, 'GET', '/v1/status', undefined, 0);
    await new Promise((resolve) => stale.close(resolve));

    const blocked = jobFolder();
    const runtime = await mkdtemp(join(root, 'run-'));
    await mkdir(blocked);
    await writeFile(join(blocked, 'control.sock'), 'mine');
    const third = await serve(blocked, { XDG_RUNTIME_DIR: runtime });
    assert.equal(dirname(dirname(third.path)), runtime);
    assert.ok((await lstat(join(blocked, 'control.sock'))).isFile());
  });

  it('refuses a shared folder that is a link or open to others, naming it', async () => {
    const runtime = await mkdtemp(join(root, 'run-'));
    const user = process.getuid?.() ?? 0;
    const shared = join(runtime, `tidemark-${user}`);
    const target = await mkdtemp(join(root, 'elsewhere-'));
    const deep = jobFolder('y'.repeat(100));
    const place = { XDG_RUNTIME_DIR: runtime };

    await symlink(target, shared);
    assert.notEqual(dirname((await serve(deep, place)).path), shared);
    await rm(shared);
    await mkdir(shared);
    await chmod(shared, 0o777);
    assert.notEqual(dirname((await serve(deep, place)).path), shared);
  });

  it('says NO_SOCKET with every reason when no place will do', async () => {
    const folder = jobFolder();
    await writeFile(folder, 'in the way');
    const kept = process.env['TMPDIR'];
    process.env['TMPDIR'] = join(root, 'absent');
    try {
      await assert.rejects(serve(folder), (error) => {
        coded('NO_SOCKET')(error);
        assert.match(String(error), /is not a folder; ENOENT/);
        return true;
      });
    } finally {
      if (kept === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = kept;
    }
  });
});

describe('hostile requests', () => {
  const cases: readonly (readonly [name: string, bytes: string | Buffer, expected: RegExp])[] = [
    ['no HTTP', 'hello\r\n\r\n', /^HTTP\/1.1 400 /],
    ['binary', Buffer.from([0, 255, 1, 254, 10, 13, 10, 13, 10]), /^HTTP\/1.1 400 /],
    ['an unknown path', 'GET /v2/status HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1.1 400 .*no such path/s],
    ['a path from Object', 'GET /constructor HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1.1 400 /],
    ['an escaping path', 'GET /v1/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1.1 400 /],
    ['a whole address', 'GET http://[::bad/v1/status HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1.1 400 /],
    ['the wrong method', 'POST /v1/status HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1.1 400 .*Allow: GET/s],
    ['GET of a command', 'GET /v1/cancel HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1.1 400 .*Allow: POST/s],
    [
      'an upgrade',
      'GET /v1/x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
      /^HTTP\/1.1 400 /,
    ],
    ['a tunnel', 'CONNECT /v1/status HTTP/1.1\r\nHost: x\r\n\r\n', /^$/],
    ['long headers', `GET /v1/status HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1.1 400 /],
    ['broken JSON', post('{"full":'), /^HTTP\/1.1 400 .*not JSON/s],
    ['a list', post('[true]'), /^HTTP\/1.1 400 .*object/s],
    ['deep JSON', post('['.repeat(MAX_REQUEST_BODY)), /^HTTP\/1.1 400 /],
    ['an unknown field', post('{"ful":true}'), /^HTTP\/1.1 400 .*unknown field/s],
    ['a prototype', post('{"__proto__":{"full":true}}'), /^HTTP\/1.1 400 .*unknown field/s],
    ['the wrong type', post('{"full":"yes"}'), /^HTTP\/1.1 400 .*must be a boolean/s],
    ['a savepoint nowhere', post('{}', 'savepoint'), /^HTTP\/1.1 400 .*absolute path/s],
    [
      'a relative savepoint beside a checkpoint',
      post('{"withSavepoint":"x.tar"}', 'checkpoint'),
      /^HTTP\/1.1 400 .*withSavepoint must be an absolute path/s,
    ],
    ['a relative savepoint', post('{"output":"x.tar"}', 'savepoint'), /^HTTP\/1.1 400 .*absolute path/s],
    [
      'a path with a zero',
      post('{"output":"/x\\u0000.tar"}', 'savepoint'),
      /^HTTP\/1.1 400 .*absolute path/s,
    ],
    [
      'a long reason',
      post(JSON.stringify({ output: '/x.tar', reason: 'x'.repeat(MAX_REASON + 1) }), 'savepoint'),
      /^HTTP\/1.1 400 .*limit/s,
    ],
    ['a body that is too long', post(' '.repeat(MAX_REQUEST_BODY + 1)), /^HTTP\/1.1 400 .*more than/s],
    ['two lengths', post('{}').replace('\r\n\r\n', '\r\nContent-Length: 9\r\n\r\n'), /^HTTP\/1.1 400 /],
    [
      'bad chunks',
      'POST /v1/checkpoint HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      /^HTTP\/1.1 400 /,
    ],
    [
      'half a request',
      'POST /v1/checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{',
      /^(HTTP\/1.1 400 |$)/,
    ],
  ];

  function post(body: string, path = 'checkpoint'): string {
    return `POST /v1/${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  }

  for (const [name, bytes, expected] of cases) {
    it(`${name}: an answer or a closed connection, and the channel lives on`, async () => {
      const { path } = await serve();
      assert.match(await raw(path, bytes), expected);
      assert.deepEqual(calls, []);
      assert.deepEqual(await callControl(path, 'GET', '/v1/status', undefined, 0), { id: 'job', n: 1 });
    });
  }

  it('a caller that goes away in the middle of its answer harms nobody', async () => {
    const { path } = await serve();
    await new Promise<void>((resolve) => {
      const socket = connect(path, () => {
        socket.write('GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n');
        socket.destroy();
      });
      socket.on('close', () => resolve());
    });
    await callControl(path, 'GET', '/v1/status', undefined, 0);
  });

  it('a request that never ends is closed', async () => {
    const { path } = await serve(jobFolder(), {}, 50);
    assert.match(
      await raw(path, 'GET /v1/status HTTP/1.1\r\nX-Slow: ', true),
      /^(HTTP\/1.1 408 |HTTP\/1.1 400 |$)/,
    );
  });

  it('many idle connections do not keep others out for long', async () => {
    const { path } = await serve(jobFolder(), {}, 50);
    const idle = Array.from({ length: 200 }, () => raw(path, 'GET ', true));
    await Promise.all(idle);
    await callControl(path, 'GET', '/v1/status', undefined, 0);
  });
});

describe('a client', () => {
  async function fake(answer: (bytes: string) => string | undefined): Promise<string> {
    const path = join(await mkdtemp(join(root, 'fake-')), 's');
    const { createServer } = await import('node:net');
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        const text = answer(bytes.toString());
        if (text !== undefined) socket.end(text);
      });
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    open.push({
      path,
      close: () => {
        server.close();
        return Promise.resolve();
      },
    });
    return path;
  }

  it('gives up after its limit, as TIMEOUT', async () => {
    const path = await fake(() => undefined);
    await assert.rejects(callControl(path, 'GET', '/v1/status', undefined, 30), coded('TIMEOUT'));
  });

  it('takes no other server for a job', async () => {
    const html = await fake(() => 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>');
    await assert.rejects(callControl(html, 'GET', '/v1/status', undefined, 0), coded('NO_ANSWER'));
    const invented = await fake(
      () => 'HTTP/1.1 500 X\r\nConnection: close\r\n\r\n{"type":"error","code":"toString","message":"x"}',
    );
    await assert.rejects(callControl(invented, 'GET', '/v1/status', undefined, 0), coded('NO_ANSWER'));
    const closed = await fake(() => '');
    await assert.rejects(callControl(closed, 'GET', '/v1/status', undefined, 0), coded('NO_ANSWER'));
  });

  it('says NO_ANSWER where there is no socket', async () => {
    await assert.rejects(
      callControl(join(root, 'none'), 'GET', '/v1/status', undefined, 0),
      coded('NO_ANSWER'),
    );
  });
});
