/** The systemd unit, run the way systemd runs it: what it says is read from the file and done for real. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { JobRow, StatusDocument } from '../../src/job/status.js';
import { COMMAND, environment, PACKAGE, tidemark } from './command.js';

const UNIT = join(PACKAGE, 'fixtures', 'systemd', 'tidemark@.service');
const UPGRADE_UNIT = join(PACKAGE, 'fixtures', 'systemd', 'tidemark-upgrade@.service');
const INSTANCE = 'nightly';

let root = '';
let service: ReadonlyMap<string, string> = new Map();
let upgrade: ReadonlyMap<string, string> = new Map();
/** Each takes a process of its own. */
const LOOKS = 50;

let main: ChildProcess | undefined;

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'tidemark-systemd-'));
  service = parseSection(await readFile(UNIT, 'utf8'), 'Service');
  upgrade = parseSection(await readFile(UPGRADE_UNIT, 'utf8'), 'Service');
});
after(async () => {
  if (main?.exitCode === null && main.signalCode === null) main.kill('SIGKILL');
  await rm(root, { recursive: true, force: true });
});

function parseSection(text: string, wanted: string): Map<string, string> {
  const found = new Map<string, string>();
  let section = '';
  for (const line of text.split('\n')) {
    if (/^\s*([#;]|$)/.test(line)) continue;
    const header = /^\[(.+)\]$/.exec(line);
    const [, name, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (header !== null) section = header[1] ?? '';
    else if (name === undefined || value === undefined) assert.fail(`not a line of a unit: ${line}`);
    else if (section === wanted) found.set(name, value);
  }
  return found;
}

function setting(name: string, unit = service): string {
  const value = unit.get(name);
  assert.ok(value !== undefined, `the unit has no ${name}=`);
  const specifiers: Readonly<Record<string, string>> = {
    i: INSTANCE,
    E: join(root, 'etc'),
    S: join(root, 'state'),
  };
  return value.replace(/%(.)/g, (_, letter: string) => {
    const known = specifiers[letter];
    assert.ok(known !== undefined, `the unit uses %${letter}, which this test does not know`);
    return known;
  });
}

/** An unbraced $NAME that is a word of its own becomes none or several words, as in systemd. */
function commandLine(text: string, variables: Readonly<Record<string, string>>): string[] {
  return text.split(/\s+/).flatMap((word) => {
    const [, name] = /^\$(\w+)$/.exec(word) ?? [];
    return name === undefined ? [word] : (variables[name] ?? '').split(/\s+/).filter((part) => part !== '');
  });
}

function startService(args: string): ChildProcess {
  const [program = '', ...rest] = commandLine(setting('ExecStart'), { TIDEMARK_ARGS: args });
  main = spawn(program, rest, {
    cwd: setting('WorkingDirectory'),
    env: environment({ PATH: `${join(root, 'bin')}:${process.env['PATH'] ?? ''}` }),
    stdio: 'ignore',
  });
  return main;
}

/** As systemctl stop: the signal to the main process, and its exit code. */
async function stopService(child: ChildProcess): Promise<number | string> {
  child.kill(setting('KillSignal') as NodeJS.Signals);
  const [code, signal] = await once(child, 'exit');
  return code ?? signal;
}

const asked = (...args: string[]) =>
  tidemark([...args, '--home', setting('WorkingDirectory')], { cwd: root });

async function json<T>(...args: string[]): Promise<T> {
  const { stdout, stderr, code } = await asked(...args, '--json');
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

describe('the systemd unit', () => {
  it('starts a job, suspends it when it is stopped, and goes on with it when it is started again', async () => {
    await mkdir(join(root, 'bin'));
    await symlink(COMMAND, join(root, 'bin', 'tidemark'));
    await mkdir(join(root, 'state', 'tidemark', INSTANCE), { recursive: true });
    await mkdir(join(root, 'etc', 'tidemark', INSTANCE), { recursive: true });
    const definition = await readFile(join(PACKAGE, 'fixtures', 'jobs', 'slow-count.ts'), 'utf8');
    await writeFile(join(root, 'etc', 'tidemark', INSTANCE, 'job.ts'), definition);
    assert.ok(setting('ExecStart').includes(` ${join(root, 'etc', 'tidemark', INSTANCE, 'job.ts')} `));

    const args = `--param output=${join(root, 'out')} --param count=1000000 --checkpoint-interval 100ms`;
    const first = startService(args);
    await until('running');
    assert.equal((await asked('wait', INSTANCE, '--until', 'checkpoint', '--timeout', '60s')).code, 0);
    const { pid } = await json<StatusDocument>('status', INSTANCE);
    assert.equal(
      pid,
      first.pid,
      'the main process of the service is the job itself, so that signals reach it',
    );

    const code = await stopService(first);
    const success = setting('SuccessExitStatus').split(' ').map(Number);
    assert.ok(typeof code === 'number' && success.includes(code), `exit code ${code} counts as success`);
    const [suspended] = await json<JobRow[]>('list');
    assert.equal(suspended?.state, 'suspended');

    const second = startService(args);
    await until('running');
    const again = await json<StatusDocument>('status', INSTANCE);
    assert.equal(again.id, suspended.id);
    // The catalog says that it runs before the log has the line.
    let log = '';
    for (let look = 0; look < LOOKS && !/running from/.test(log.slice(log.lastIndexOf('attempt'))); look++)
      log = (await asked('logs', INSTANCE)).stdout;
    assert.match(log, /running from checkpoint \d+/);
    assert.equal(await stopService(second), code);
  });

  it('is upgraded by a unit of its own, whose job it goes on with', async () => {
    const first = startService('');
    await until('running');
    const [before] = await json<JobRow[]>('list');
    const definition = join(root, 'etc', 'tidemark', INSTANCE, 'job.ts');
    await writeFile(definition, `${await readFile(definition, 'utf8')}\nconsole.error('version 2');\n`);

    const [program = '', ...args] = commandLine(setting('ExecStart', upgrade), {});
    const PATH = `${join(root, 'bin')}:${process.env['PATH'] ?? ''}`;
    const cwd = setting('WorkingDirectory', upgrade);
    const unit = spawn(program, args, {
      cwd,
      env: environment({ PATH }),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const said: Buffer[] = [];
    unit.stderr.on('data', (chunk: Buffer) => said.push(chunk));
    const [[code], [ended]] = await Promise.all([once(unit, 'close'), once(first, 'exit')]);
    assert.equal(code, 0, Buffer.concat(said).toString());
    assert.equal(ended, 0, 'the service has ended with success, and is not restarted');

    // What systemd does when the main process of such a unit has ended, and then when nothing is left of it.
    const { pid, id } = await json<StatusDocument>('status', INSTANCE);
    assert.notEqual(id, before?.id);
    assert.equal(setting('KillMode', upgrade), 'control-group');
    process.kill(pid ?? 0, setting('KillSignal', upgrade) as NodeJS.Signals);
    // It ends otherwise.
    await asked('wait', INSTANCE, '--until', 'finished', '--timeout', '60s');
    assert.equal((await json<JobRow[]>('list'))[0]?.state, 'suspended');
    const post = setting('ExecStopPost', upgrade);
    for (const [status, starts] of [
      ['0', true],
      ['6', true],
      ['11', true],
      ['3', false],
    ] as const) {
      const script = /^\+\/bin\/sh -c '(.*)'$/.exec(post)?.[1] ?? '';
      const called = spawnSync('sh', ['-c', script.replace('exec systemctl', 'echo')], {
        env: { ...environment(), EXIT_STATUS: status },
        encoding: 'utf8',
      });
      assert.equal(called.stdout.trim(), starts ? `start --no-block tidemark@${INSTANCE}.service` : '');
    }
    const second = startService('');
    await until('running');
    assert.equal((await json<StatusDocument>('status', INSTANCE)).id, id);
    await stopService(second);
  });

  it('does not start again what cannot mend itself, and does after a failure', () => {
    assert.equal(setting('Restart'), 'on-failure');
    const never = setting('RestartPreventExitStatus').split(' ').map(Number);
    for (const status of [2, 5, 6]) assert.ok(never.includes(status));
    for (const status of [3, 7, 8, 10]) assert.ok(!never.includes(status));
  });

  it('is a unit that systemd accepts, where it is installed', async () => {
    const folder = join(root, 'units');
    await mkdir(folder);
    for (const [name, from] of [
      ['tidemark', UNIT],
      ['tidemark-upgrade', UPGRADE_UNIT],
    ] as const) {
      const unit = join(folder, `${name}@${INSTANCE}.service`);
      await writeFile(unit, await readFile(from));
      await chmod(unit, 0o644);
      const checked = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' });
      if (checked.error !== undefined) return;
      assert.deepEqual(
        { status: checked.status, about: linesAbout(checked.stderr, unit) },
        { status: 0, about: [] },
      );
    }
  });
});

function linesAbout(text: string, unit: string): readonly string[] {
  return text.split('\n').filter((line) => line.includes(unit));
}

/** Until the job is there and in this state. */
async function until(state: string): Promise<void> {
  for (;;) {
    const { code } = await asked('wait', INSTANCE, '--until', state, '--timeout', '60s');
    if (code === 0) {
      const [row] = await json<JobRow[]>('list');
      if (row?.state === state) return;
    }
    assert.equal(main?.exitCode, null, 'the service has ended');
  }
}
