import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { TidemarkError } from '../../src/base/errors.js';
import type { JobRecord, JobState } from '../../src/catalog/records.js';
import { COMMANDS } from '../../src/cli/command-list.js';
import { optionNames, takesValue } from '../../src/cli/command-spec.js';
import { reached } from '../../src/cli/commands/wait.js';
import { complete } from '../../src/cli/complete.js';
import { Given } from '../../src/cli/context.js';
import { errorDocument, errorLines } from '../../src/cli/exit.js';
import { progressLine } from '../../src/cli/job-view.js';
import { LogFile } from '../../src/cli/log-file.js';
import { Printer, printable, type Stream } from '../../src/cli/printer.js';
import { onSignal } from '../../src/cli/signals.js';
import { paramFlags, settingsFlags } from '../../src/cli/start-options.js';
import { table } from '../../src/cli/table.js';
import { ago } from '../../src/cli/text.js';
import fc from '../helpers/property.js';

class FakeStream implements Stream {
  text = '';
  readonly isTTY: boolean;
  readonly columns: number;
  constructor(isTTY: boolean, columns: number) {
    this.isTTY = isTTY;
    this.columns = columns;
  }
  write(text: string | Uint8Array, done?: (error?: Error | null) => void): boolean {
    this.text += Buffer.from(text as string).toString();
    done?.();
    return true;
  }
}

interface Wanted {
  terminal?: boolean;
  columns?: number;
  json?: boolean;
  quiet?: boolean;
  env?: NodeJS.ProcessEnv;
}

function printer(options: Wanted = {}) {
  const stdout = new FakeStream(options.terminal ?? false, options.columns ?? 40);
  const stderr = new FakeStream(options.terminal ?? false, options.columns ?? 40);
  const { json = false, quiet = false, env = {} } = options;
  return {
    stdout,
    stderr,
    printer: new Printer({ json, quiet, colour: true, environment: env, stdout, stderr }),
  };
}

const ESCAPE = '\u001b';

describe('the printer', () => {
  it('sends data to stdout and everything else to stderr', async () => {
    const { stdout, stderr, printer: p } = printer();
    await p.data('d');
    await p.document({ a: 1 });
    p.note('n');
    p.warn('w');
    await p.error(new TidemarkError('USAGE', 'e', { hint: 'h' }));
    assert.equal(stdout.text, 'd{"a":1}\n');
    assert.equal(stderr.text, 'n\nwarning: w\nerror: e\n  hint: h\n');
  });

  it('under --quiet keeps data and errors, under --json makes the error a document', async () => {
    const quiet = printer({ quiet: true });
    quiet.printer.note('n');
    await quiet.printer.error(new TidemarkError('USAGE', 'e'));
    assert.equal(quiet.stderr.text, 'error: e\n');
    const json = printer({ json: true });
    await json.printer.error(new TidemarkError('JOB_NOT_FOUND', 'e\nf', { hint: 'h' }));
    assert.deepEqual(JSON.parse(json.stderr.text), {
      type: 'error',
      code: 'JOB_NOT_FOUND',
      message: 'e\nf',
      hint: 'h',
    });
  });

  it('paints one text at a time, also where rows are mapped', async () => {
    const { bold, dim, red, green, yellow, cyan } = await printer({ terminal: true }).printer.paint();
    for (const brush of [bold, dim, red, green, yellow, cyan]) {
      const painted = ['a', 'b']
        .map(brush)
        .map((text) => text.replaceAll(new RegExp(`${ESCAPE}\\[\\d+m`, 'g'), ''));
      assert.deepEqual(painted, ['a', 'b']);
    }
  });

  it('colours and live lines appear only on a terminal', async () => {
    const error = new TidemarkError('USAGE', 'e');
    for (const options of [
      {},
      { terminal: true, env: { NO_COLOR: '1' } },
      { terminal: true, env: { TERM: 'dumb' } },
    ]) {
      const { stderr, printer: p } = printer(options);
      await p.error(error);
      assert.ok(!stderr.text.includes(ESCAPE));
    }
    for (const options of [{}, { terminal: true, quiet: true }, { terminal: true, json: true }]) {
      const { stderr, printer: p } = printer(options);
      p.live('line');
      (await p.spinner('x')).stop();
      assert.equal(stderr.text, '');
    }
  });

  it('says the same in colours', async () => {
    const { stderr, printer: p } = printer({ terminal: true });
    const error = new TidemarkError('USER_CODE', 'e', { operator: 'o', at: 'a', hint: 'h' });
    await p.error(error);
    assert.equal(stripVTControlCharacters(stderr.text), `${errorLines(error, false).join('\n')}\n`);
  });

  it('draws nothing on a terminal that does not say how wide it is', async () => {
    const { stderr, printer: p } = printer({ terminal: true, columns: 0 });
    p.live('line');
    (await p.spinner('x')).stop();
    assert.equal(stderr.text, '');
  });

  it('takes the live line away for other text, puts it back, and removes it at the end', async () => {
    const { stderr, stdout, printer: p } = printer({ terminal: true });
    p.live('x'.repeat(100));
    p.note('above');
    await p.data('out\n');
    p.live(undefined);
    p.live(undefined);
    const line = 'x'.repeat(39);
    const erase = `\r${ESCAPE}[2K`;
    assert.equal(stderr.text, `${erase}${line}${erase}above\n${line}${erase}${line}${erase}`);
    assert.equal(stdout.text, 'out\n');
  });

  it('text from elements cannot steer the terminal', async () => {
    const { stderr, printer: p } = printer();
    p.warn(`${ESCAPE}[2Jgone\u009b1m`);
    await p.error(new TidemarkError('USER_CODE', 'bad', { element: `"${ESCAPE}]0;title\u0007"` }));
    for (const steering of [ESCAPE, '\u0007', '\u009b']) assert.ok(!stderr.text.includes(steering));
    assert.equal(printable('a\tb\nc'), 'a\tb\nc');
  });
});

describe('errors for people', () => {
  it('name operator, element, position and source, and keep the stack for debugging', () => {
    const error = new TidemarkError('USER_CODE', 'element 7 is bad', {
      operator: 'count',
      element: '7',
      position: 'numbers/0 at {"next":8}',
      at: 'job.ts:11:39',
      stack: 'Error\n    at job.ts:11:39',
    });
    const text = errorLines(error, false).join('\n');
    for (const part of ['count', '7', 'numbers/0', 'job.ts:11:39']) assert.ok(text.includes(part), part);
    assert.ok(!text.includes('    at'));
    assert.ok(errorLines(error, true).join('\n').includes('    at job.ts'));
    assert.equal(errorDocument(error)['stack'], undefined);
    assert.match(errorLines(new TidemarkError('INTERNAL', 'x'), false).join('\n'), /TIDEMARK_DEBUG=1/);
  });
});

describe('tables', () => {
  it('align columns by what is seen, and leave nothing behind the last', () => {
    const text = table(
      [{ title: 'A' }, { title: 'N', right: true }, { title: 'Z' }],
      [
        ['é', '1', ''],
        [`${ESCAPE}[31mred${ESCAPE}[39m`, '100', 'z'],
      ],
    );
    assert.equal(text, `A      N  Z\né      1\n${ESCAPE}[31mred${ESCAPE}[39m  100  z\n`);
  });
});

describe('times', () => {
  it('are told in whole seconds, and a clock that disagrees does no harm', () => {
    const at = '2026-01-01T00:00:00.000Z';
    const ms = Date.parse(at);
    assert.equal(ago(null, ms), '-');
    assert.equal(ago(at, ms + 400), 'just now');
    assert.equal(ago(at, ms - 5_000), 'just now');
    assert.equal(ago(at, ms + 2_400), '2s ago');
    assert.equal(ago(at, ms + 90_000), '1m 30s ago');
  });
});

describe('start options', () => {
  const given = (options: Record<string, unknown>) => new Given([], options);
  it('take params as they are, equals signs and all; the last of a name counts', () => {
    assert.deepEqual(paramFlags(given({ param: ['a=1', 'b=x=y', 'c=', 'a=2', '__proto__=p'] })), {
      a: '2',
      b: 'x=y',
      c: '',
      ['__proto__']: 'p',
    });
    assert.throws(() => paramFlags(given({ param: ['=x'] })), /NAME=VALUE/);
  });
  it('pass on only what was typed', () => {
    assert.deepEqual(settingsFlags(given({ checkpointInterval: '5s', json: true })), {
      checkpointInterval: '5s',
    });
    assert.deepEqual(settingsFlags(given({})), {});
  });
});

describe('the progress line', () => {
  it('says what there is to say', () => {
    const metrics = { at: 0, epoch: 1, elements: 1_234_567, rate: 12_345.6, droppedTimers: 0, operators: [] };
    const last = { id: 5, bytes: 1_234_567, at: 1_000 };
    assert.equal(
      progressLine({ name: 'j', metrics, last, restarts: 1, phase: undefined }, 3_500),
      'j · 1,234,567 elements · 12,346/s · checkpoint 5 (2s ago, 1.2 MiB) · 1 restart',
    );
    assert.equal(
      progressLine({ name: 'j', metrics: undefined, last: undefined, restarts: 0, phase: 'starting' }, 0),
      'j · starting',
    );
  });
});

describe('signals', () => {
  it('one that comes twice at once counts once, with the exit code of the first', () => {
    let now = 1_000;
    const received: string[] = [];
    const signals = onSignal(
      () => now,
      (signal) => received.push(signal),
    );
    try {
      assert.equal(signals.exitCode, undefined);
      process.emit('SIGINT', 'SIGINT');
      now += 100;
      process.emit('SIGTERM', 'SIGTERM');
      assert.deepEqual(received, ['SIGINT']);
      assert.equal(signals.exitCode, 130);
    } finally {
      signals.release();
    }
  });
});

describe('wait', () => {
  const job = (state: JobState) =>
    ({ id: 'i', name: 'n', state, settings: {}, error: undefined }) as JobRecord;
  const outcome = (goal: 'running' | 'checkpoint' | 'finished', state: JobState, checkpoint = false) => {
    try {
      return reached(goal, job(state), checkpoint);
    } catch (error) {
      return error instanceof TidemarkError ? error.exitCode : error;
    }
  };
  it('is over when it is so, when the job failed (3), and when nothing can bring it about (5)', () => {
    const states: readonly JobState[] = [
      'created',
      'running',
      'restarting',
      'finished',
      'failed',
      'canceled',
      'suspended',
      'lost',
    ];
    assert.deepEqual(
      states.map((state) => outcome('running', state)),
      [false, true, false, true, 3, 5, 5, 5],
    );
    assert.deepEqual(
      states.map((state) => outcome('finished', state)),
      [false, false, false, true, 3, 5, 5, 5],
    );
    assert.deepEqual(
      states.map((state) => outcome('checkpoint', state)),
      [false, false, false, 5, 3, 5, 5, 5],
    );
    for (const state of states) assert.equal(outcome('checkpoint', state, true), true);
  });
});

describe('completion', () => {
  const jobs = () => [{ text: 'word-count', about: 'running' }];
  const texts = (...words: string[]) => complete(words, COMMANDS, jobs).candidates.map(({ text }) => text);

  it('knows commands, options, values, jobs and files', () => {
    assert.deepEqual(texts('check'), ['checkpoints', 'checkpoint', 'check']);
    assert.deepEqual(texts('status', 'w'), ['word-count']);
    assert.deepEqual(texts('--home', 'x', 'status', ''), ['word-count']);
    assert.deepEqual(texts('status', 'word-count', ''), []);
    assert.deepEqual(texts('run', '--sinks', ''), ['live', 'mute']);
    assert.deepEqual(texts('run', '--sinks', 'live', '--on-c'), ['--on-cancel']);
    assert.ok(texts('list', '--').includes('--json'));
    assert.equal(complete(['run', ''], COMMANDS, jobs).files, true);
    assert.equal(complete(['resume', 'x', '--definition', ''], COMMANDS, jobs).files, true);
    assert.ok(texts('help', 'ex').includes('exit-codes'));
  });

  it('offers nothing that is hidden or does not begin as typed, whatever is typed', () => {
    const vocabulary = COMMANDS.flatMap((command) => [command.name, ...command.options.flatMap(optionNames)]);
    const word = fc.oneof(fc.constantFrom(...vocabulary, '', '--', '-', '--home'), fc.string());
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) => {
        for (const { text } of complete(words, COMMANDS, jobs).candidates) {
          assert.ok(text.startsWith(words.at(-1) ?? ''));
          assert.ok(!text.startsWith('__'));
        }
      }),
    );
  });

  it('reads option names from their flags', () => {
    assert.deepEqual(optionNames({ flags: '-p, --max-parallelism <n>', text: '' }), [
      '-p',
      '--max-parallelism',
    ]);
    assert.equal(takesValue({ flags: '-d, --detach', text: '' }), false);
  });
});

describe('a log that is read while it grows and turns over', () => {
  it('is given whole and in order', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-log-'));
    const path = join(folder, 'log');
    const log = new LogFile(path);
    let seen = '';
    const read = async () => {
      for (let bytes = await log.next(); bytes !== undefined; bytes = await log.next()) {
        seen += Buffer.from(bytes).toString();
      }
    };
    try {
      await read();
      await writeFile(`${path}.1`, '1');
      await writeFile(path, '2');
      const late = new LogFile(path);
      assert.equal(Buffer.from((await late.next()) ?? []).toString(), '1');
      await late.close();
      await rm(`${path}.1`);
      await read();
      await appendFile(path, '3');
      await read();
      await appendFile(path, '4');
      await rename(path, `${path}.1`);
      await writeFile(path, '5'.repeat(100_000));
      await read();
      await appendFile(path, '6');
      await read();
      assert.equal(seen, `234${'5'.repeat(100_000)}6`);
    } finally {
      await log.close();
      await rm(folder, { recursive: true });
    }
  });
});
