import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CODES } from '../../src/base/errors.js';
import { COMMANDS } from '../../src/cli/command-list.js';
import { COMMAND, environment, PACKAGE, type Result, tidemark } from './command.js';

let cwd = '';
before(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tidemark-cli-'));
});
after(() => rm(cwd, { recursive: true, force: true }));

const run = (...args: string[]): Promise<Result> => tidemark(args, { cwd });
const VISIBLE = COMMANDS.filter((command) => command.hidden !== true);

describe('help and version', () => {
  it('--version prints the version of the package, wherever it is typed', async () => {
    const { version } = JSON.parse(await readFile(join(PACKAGE, 'package.json'), 'utf8'));
    assert.deepEqual(await run('--version'), { code: 0, stdout: `${version}\n`, stderr: '' });
    assert.equal((await run('-V')).stdout, `${version}\n`);
    assert.equal((await run('list', '--version')).stdout, `${version}\n`);
  });

  it('--help names every command, the exit codes and examples; without arguments the same is wrong usage', async () => {
    const { code, stdout, stderr } = await run('--help');
    assert.equal(code, 0);
    assert.equal(stderr, '');
    for (const { name } of VISIBLE) assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
    assert.doesNotMatch(stdout, /__/);
    assert.match(stdout, /Exit codes: .*Examples:/s);
    assert.deepEqual(await run(), { code: 2, stdout: '', stderr: stdout });
    assert.equal((await run('help')).stdout, stdout);
    assert.equal((await run('--quiet', '--help')).stdout, stdout);
  });

  for (const { name, options } of VISIBLE) {
    it(`${name} --help explains its options and has an example`, async () => {
      const { code, stdout } = await run(name, '--help');
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(`^Usage: tidemark ${name}`));
      for (const { flags } of options) assert.ok(stdout.includes(flags), flags);
      assert.match(stdout, /--home <dir>/);
      assert.match(stdout, /\nExamples:\n {2}\$ /);
      assert.equal((await run('help', name)).stdout, stdout);
    });
  }

  it('help exit-codes lists every code that an error can lead to', async () => {
    const { stdout } = await run('help', 'exit-codes');
    for (const code of new Set(Object.values(CODES))) assert.match(stdout, new RegExp(`^ +${code} `, 'm'));
    assert.equal((await run('help', 'json')).code, 0);
    assert.equal((await run('help', 'environment')).code, 0);
    assert.equal((await run('help', 'toString')).code, 2);
  });
});

describe('wrong usage', () => {
  const cases: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [['lst'], /unknown command 'lst'.*Did you mean list\?/],
    [['list', '--al'], /unknown option '--al'.*--all/],
    [['list', 'x'], /too many arguments/],
    [['status'], /missing required argument 'job'/],
    [['run'], /missing required argument 'definition'/],
    [['wait', 'x'], /--until/],
    [['wait', 'x', '--until', 'done'], /Allowed choices are running, checkpoint, finished/],
    [['wait', 'x', '--until', 'finished', '--timeout', 'soon'], /--timeout.*duration/],
    [['run', 'job.ts', '--param', 'x'], /--param: expected NAME=VALUE, found "x"/],
    [['run', 'job.ts', '--backend', 'tape'], /Allowed choices are memory, disk/],
    [['run', 'job.ts', '--checkpoint-mode', 'some'], /Allowed choices are full, incremental/],
    [['run', 'job.ts', '--on-failure', 'keep'], /Allowed choices are retain, delete/],
    [['run', 'job.ts', '--sinks', 'rewind'], /Allowed choices are live, mute/],
    [['resume'], /a job is missing/],
    [['resume', 'x', '--all'], /--all goes with neither/],
    [['completion', 'csh'], /Allowed choices are bash, zsh, fish/],
    [['--home'], /argument missing/],
  ];
  for (const [args, says] of cases) {
    it(`tidemark ${args.join(' ')}: exit 2, nothing on stdout, a hint`, async () => {
      await mkdir(join(cwd, '.tidemark'), { recursive: true });
      await writeFile(join(cwd, 'job.ts'), '');
      const { code, stdout, stderr } = await tidemark(args, { cwd });
      assert.match(stderr, says);
      assert.match(stderr, /^error: .*\n {2}hint: /s);
      assert.deepEqual({ code, stdout }, { code: 2, stdout: '' });
    });
  }

  it('under --json the last line of stderr is the error, wherever --json stands', async () => {
    for (const args of [
      ['--json', 'lst'],
      ['list', '--nope', '--json'],
      ['--json', 'status', 'x'],
    ]) {
      const { stdout, stderr } = await tidemark(args, { cwd });
      const last = JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '');
      assert.equal(last.type, 'error');
      assert.ok(Object.hasOwn(CODES, last.code));
      assert.equal(typeof last.message, 'string');
      assert.equal(typeof last.hint, 'string');
      assert.equal(stdout, '');
    }
  });
});

describe('homes', () => {
  it('no command but those that start jobs makes one; a missing one is exit 4 with the way out', async () => {
    const empty = await mkdtemp(join(cwd, 'empty-'));
    for (const args of [['list'], ['status', 'x'], ['logs', 'x'], ['cancel', 'x'], ['resume', '--all']]) {
      const { code, stdout, stderr } = await tidemark([...args, '--home', 'none'], { cwd: empty });
      assert.deepEqual({ code, stdout }, { code: 4, stdout: '' }, args.join(' '));
      assert.match(stderr, /^error: .*none.*\n {2}hint: /s);
    }
    const { code } = await tidemark(['run', 'absent.ts', '--home', 'none'], { cwd: empty });
    assert.equal(code, 4);
    assert.deepEqual(await readdir(empty), []);
  });

  it('--home is understood before and after the command, and wins over TIDEMARK_HOME', async () => {
    const env = { TIDEMARK_HOME: join(cwd, 'from-environment') };
    assert.match((await tidemark(['list'], { cwd, env })).stderr, /from-environment/);
    assert.match((await tidemark(['--home', 'before', 'list'], { cwd, env })).stderr, /before/);
    assert.match((await tidemark(['list', '--home', 'after'], { cwd, env })).stderr, /after/);
  });
});

describe('the installed command', () => {
  it('says so when it is not built', async () => {
    const copy = await mkdtemp(join(cwd, 'copy-'));
    await cp(join(PACKAGE, 'bin'), join(copy, 'bin'), { recursive: true });
    await cp(join(PACKAGE, 'package.json'), join(copy, 'package.json'));
    const { status, stderr } = spawnSync(process.execPath, [join(copy, 'bin', 'tidemark'), 'list'], {
      encoding: 'utf8',
    });
    assert.equal(status, 10);
    assert.match(stderr, /not built.*npm run build/s);
  });

  it('runs by its shebang and through a link', async () => {
    const link = join(cwd, 'linked');
    await symlink(COMMAND, link);
    const { status, stdout } = spawnSync(link, ['help', 'exit-codes'], {
      encoding: 'utf8',
      env: environment(),
    });
    assert.equal(status, 0);
    assert.match(stdout, /^Exit codes/);
  });

  it('--version and --help need no library: they work where none is installed', async () => {
    const copy = await mkdtemp(join(cwd, 'bare-'));
    for (const part of ['bin', 'package.json', 'dist/src']) {
      await cp(join(PACKAGE, part), join(copy, part), { recursive: true });
    }
    for (const flag of ['--version', '--help']) {
      const command = join(copy, 'bin', 'tidemark');
      const { status, stdout } = spawnSync(process.execPath, [command, flag], { encoding: 'utf8' });
      assert.deepEqual({ status, stdout }, { status: 0, stdout: (await run(flag)).stdout });
    }
  });
});

describe('a reader that goes away', () => {
  it('ends the command quietly', () => {
    const script = `"${process.execPath}" "${COMMAND}" --help | true; exit \${PIPESTATUS[0]}`;
    const { status, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8', env: environment() });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  });
});

describe('a full disk behind stdout', () => {
  it('is exit 10, as for any other file', { skip: !existsSync('/dev/full') }, () => {
    for (const args of ['--help', 'list --help', 'help json']) {
      const script = `"${process.execPath}" "${COMMAND}" ${args} > /dev/full`;
      const { status } = spawnSync('bash', ['-c', script], { encoding: 'utf8', env: environment() });
      assert.equal(status, 10, args);
    }
  });
});

describe('completion', () => {
  it('the bash script is valid, and completes a command, an option and its values', async () => {
    const { stdout } = await run('completion', 'bash');
    const checked = spawnSync('bash', ['-n'], { input: stdout, encoding: 'utf8' });
    assert.deepEqual({ status: checked.status, stderr: checked.stderr }, { status: 0, stderr: '' });
    const complete = (words: string) => {
      const script = `${stdout}
        tidemark() { "${process.execPath}" "${COMMAND}" "$@"; }
        COMP_WORDS=(${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _tidemark
        printf '%s\\n' "\${COMPREPLY[@]}"`;
      return spawnSync('bash', ['-c', script], { encoding: 'utf8', cwd, env: environment() }).stdout.trim();
    };
    assert.equal(complete('tidemark sus'), 'suspend');
    assert.equal(complete('tidemark run --param'), '--param');
    assert.equal(complete('tidemark wait x --until r'), 'running');
    assert.equal(complete('tidemark run job.t'), 'job.ts');
  });

  it('the zsh and fish scripts are valid where these shells are installed', async () => {
    for (const [shell, args] of [
      ['zsh', ['-n']],
      ['fish', ['--no-execute']],
    ] as const) {
      const { stdout } = await run('completion', shell);
      assert.match(stdout, /__complete/);
      const checked = spawnSync(shell, args, { input: stdout, encoding: 'utf8' });
      if (checked.error === undefined) assert.equal(checked.status, 0, checked.stderr);
    }
  });

  it('never fails and never prints an error into the prompt', async () => {
    for (const words of [['status', ''], ['--home', '/nowhere', 'status', ''], ['nonsense', '-'], []]) {
      const { code, stderr } = await run('__complete', '--', ...words);
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    }
  });
});
