/**
 * A home that is damaged, or newer than this tidemark: every command ends with a coded error that names the file, and
 * nothing is started or changed.
 */
import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CODES, type ErrorCode, EXIT } from '../../src/base/errors.js';
import { seededRandom } from '../../src/base/random.js';
import { SEED } from '../helpers/seed.js';
import { committed, committedLines, errorOf, miscounted, Sandbox } from './harness.js';

/** Longer than a Unix socket's path may be. */
const SOCKET_PATH = 107;
const JOB = 'slow-count';

const sandbox = new Sandbox();
const output = sandbox.path('out');
after(() => sandbox.remove());

const ARGS = ['run', 'fixtures/jobs/slow-count.ts', '--checkpoint-interval', '100ms', '--restart', 'none'];
const PARAMS = { count: 1_000_000, rate: 2_000, keys: 50, output };
const GIVEN = Object.entries(PARAMS).flatMap(([param, value]) => ['--param', `${param}=${value}`]);

/** The home of a suspended job and its output, whole. */
const whole = sandbox.path('whole');

before(async () => {
  const running = sandbox.start([...ARGS, ...GIVEN]);
  await committed(output, 500, running);
  running.process.kill('SIGTERM');
  assert.equal((await running.finished).code, EXIT.sigterm);
  for (const [part, folder] of PARTS) cpSync(folder, join(whole, part), { recursive: true });
});

const PARTS = [
  ['home', sandbox.home],
  ['out', output],
] as const;

function restore(): void {
  for (const [part, folder] of PARTS) {
    rmSync(folder, { recursive: true });
    cpSync(join(whole, part), folder, { recursive: true });
  }
}

/** The one file with this ending in a folder of the home. */
function only(folder: string, ending: string): string {
  const [name, ...more] = readdirSync(join(sandbox.home, folder)).filter((file) => file.endsWith(ending));
  assert.ok(name !== undefined && more.length === 0);
  return join(sandbox.home, folder, name);
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  writeFileSync(path, bytes);
}

function expectError(args: readonly string[], code: ErrorCode, names: string): void {
  const finished = sandbox.run([...args, '--json']);
  const error = errorOf(finished);
  assert.equal(error.code, code, `${args.join(' ')}: ${error.message}`);
  assert.equal(finished.code, CODES[code]);
  assert.equal(finished.signal, null);
  assert.ok(error.message.includes(names), `${error.message} names ${names}`);
  assert.ok(error.hint !== undefined);
}

const EVERY = [
  ['list'],
  ['status', JOB],
  ['checkpoints', JOB],
  ['logs', JOB],
  ['wait', JOB, '--until', 'running'],
  ['suspend', JOB],
  ['cancel', JOB],
  ['resume', JOB],
  [...ARGS, ...GIVEN],
];

/** One that reads, one that goes on, one that begins. */
const SOME = [['list'], ['resume', JOB], [...ARGS, ...GIVEN]];

describe('a catalog', () => {
  const catalog = join(sandbox.home, 'catalog.db');

  test('of a newer tidemark is refused by every command with exit 6, and left alone', () => {
    restore();
    const bytes = readFileSync(catalog);
    // SQLite keeps `user_version` at byte 60 of the file.
    bytes.writeUInt32BE(9_999, 60);
    writeFileSync(catalog, bytes);
    for (const command of EVERY) expectError(command, 'HOME_NEWER', 'catalog.db');
    assert.deepEqual(readFileSync(catalog), bytes);
  });

  const damages: readonly (readonly [what: string, damage: () => void])[] = [
    ['that is cut off', () => truncateSync(catalog, 5_000)],
    ['that is empty', () => truncateSync(catalog, 0)],
    ['that is something else', () => writeFileSync(catalog, 'not a database, '.repeat(1_000))],
    ['whose header is damaged', () => flip(catalog, 30)],
    ['that is another database', () => writeFileSync(catalog, readFileSync(catalog).fill(0, 68, 72))],
    ['whose pages are damaged', () => writeFileSync(catalog, readFileSync(catalog).fill(0x5a, 4_096))],
  ];
  for (const [what, damage] of damages) {
    test(`${what}: exit 7 from every command`, () => {
      restore();
      rmSync(`${catalog}-wal`, { force: true });
      damage();
      for (const command of SOME) expectError(command, 'CATALOG_CORRUPT', 'catalog.db');
    });
  }

  test('with any byte flipped never crashes a command', () => {
    const random = seededRandom(SEED);
    restore();
    const { size } = statSync(catalog);
    for (let i = 0; i < 8; i++) {
      restore();
      flip(catalog, Math.floor(random.next() * size));
      const { code, signal, stderr } = sandbox.run(['status', JOB, '--json']);
      assert.equal(signal, null);
      assert.ok(
        [EXIT.done, EXIT.corrupt, EXIT.incompatible, EXIT.notFound].some((exit) => exit === code),
        stderr,
      );
    }
  });
});

describe('a frozen definition', () => {
  test('that was changed is not run: exit 7, also by cancel', () => {
    restore();
    const bundle = only('bundles', '.mjs');
    writeFileSync(bundle, `${readFileSync(bundle, 'utf8')}\n// changed\n`);
    const before = committedLines(output).length;
    expectError(['resume', JOB], 'BUNDLE_CORRUPT', basename(bundle));
    assert.equal(sandbox.status(JOB).state, 'suspended', 'found before the job is touched');
    expectError(['resume', JOB, '--foreground'], 'BUNDLE_CORRUPT', basename(bundle));
    expectError(['cancel', JOB], 'BUNDLE_CORRUPT', basename(bundle));
    assert.equal(committedLines(output).length, before);
    // Its hint is the way out.
    const mended = sandbox.run(['resume', JOB, '--definition', 'fixtures/jobs/slow-count.ts']);
    assert.equal(mended.code, EXIT.done, mended.stderr);
    assert.equal(sandbox.run(['cancel', JOB]).code, EXIT.done);
    assert.equal(miscounted(committedLines(output)), '');
  });

  test('that is gone is exit 4', () => {
    restore();
    const bundle = only('bundles', '.mjs');
    rmSync(bundle);
    expectError(['resume', JOB], 'FILE_NOT_FOUND', basename(bundle));
  });
});

describe('a segment', () => {
  const random = seededRandom(SEED);

  test('with one byte flipped, wherever it is: resume names it with exit 7 and starts nothing', () => {
    restore();
    const { length } = readFileSync(only('segments', '.seg'));
    const before = committedLines(output).length;
    const inside = Array.from({ length: 3 }, () => 10 + Math.floor(random.next() * (length - 10)));
    for (const at of [0, length - 1, ...inside]) {
      restore();
      const segment = only('segments', '.seg');
      flip(segment, at);
      const name = basename(segment, '.seg');
      expectError(['resume', JOB], 'SEGMENT_CORRUPT', name);
      const { state, error } = sandbox.status(JOB);
      assert.deepEqual([state, error?.code], ['failed', 'SEGMENT_CORRUPT']);
      assert.equal(committedLines(output).length, before);
      assert.equal(readFileSync(segment).length, length, 'what is damaged is left for whoever looks at it');
    }
  });

  test('that is gone, cut off or another one', () => {
    const damages: readonly ((path: string) => void)[] = [
      (path) => rmSync(path),
      (path) => truncateSync(path, statSync(path).size - 1),
      (path) => truncateSync(path, 0),
    ];
    for (const damage of damages) {
      restore();
      const segment = only('segments', '.seg');
      damage(segment);
      expectError(['resume', JOB], 'SEGMENT_CORRUPT', basename(segment, '.seg'));
    }
  });
});

test('a target whose ledger is damaged is not written to: exit 7', () => {
  restore();
  const ledger = join(output, '.tidemark', 'ledger-out.ndjson');
  const text = readFileSync(ledger, 'utf8');
  const before = committedLines(output).length;
  writeFileSync(ledger, text.replace('"attempt"', '"attemqt"'));
  expectError(['resume', JOB], 'TARGET_CORRUPT', output);
  assert.equal(committedLines(output).length, before);
  writeFileSync(ledger, text);
  assert.equal(sandbox.run(['resume', JOB]).code, EXIT.done);
  assert.equal(sandbox.run(['cancel', JOB]).code, EXIT.done);
  assert.equal(miscounted(committedLines(output)), '');
});

test('a home that may not be written to is exit 10', { skip: process.getuid?.() === 0 && 'root may' }, () => {
  restore();
  chmodSync(sandbox.home, 0o500);
  try {
    expectError(['resume', JOB], 'PERMISSION', sandbox.home);
  } finally {
    chmodSync(sandbox.home, 0o700);
  }
});

test('a home deeper than a socket path may be long: jobs run, answer and are steered in it', async () => {
  const deep = new Sandbox(join(...Array<string>(12).fill('a-folder-with-a-name')));
  after(() => deep.remove());
  assert.ok(deep.home.length > SOCKET_PATH);
  const folder = deep.path('out');
  const given = Object.entries({ ...PARAMS, output: folder }).flatMap(([param, value]) => [
    '--param',
    `${param}=${value}`,
  ]);
  mkdirSync(deep.home, { recursive: true });
  assert.equal(deep.json<{ state: string }>([...ARGS, ...given, '-d']).state, 'running');
  await committed(folder, 1);
  const { socket, state } = deep.status(JOB);
  assert.equal(state, 'running');
  assert.ok(socket !== null && socket.length <= SOCKET_PATH && existsSync(socket));
  assert.ok(deep.json<{ id: number }>(['checkpoint', JOB]).id > 0);
  assert.equal(deep.json<{ state: string }>(['suspend', JOB]).state, 'suspended');
  assert.ok(!existsSync(socket), 'its socket is gone with it');
  assert.equal(miscounted(committedLines(folder)), '');
});
