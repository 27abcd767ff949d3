/** One broker of Apache Kafka in KRaft mode, for the tests of a file: a small process that is killed at their end. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const PROJECT = resolve(import.meta.dirname, '../../..');
/** A start is cheap where little is compiled and little is kept. */
const JAVA = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto', '-XX:-UsePerfData'];
const START_MS = 60_000;
const LOOK_EVERY = 50;
const CLUSTER = 'AAAAAAAAAAAAAAAAAAAAAQ';

export class TestBroker {
  readonly address: string;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(address: string, process: ChildProcess, folder: string) {
    this.address = address;
    this.#process = process;
    this.#folder = folder;
  }

  /** A broker, or why there is none: no Java, or no jars to be had. */
  static async start(): Promise<TestBroker | string> {
    if (spawnSync('java', ['-version']).status !== 0) return 'there is no java to start a Kafka broker with';
    let jars: string;
    try {
      const url = pathToFileURL(join(PROJECT, 'test/kafka/fetch.mjs')).href;
      const { fetchJars } = (await import(url)) as { fetchJars(): string };
      jars = fetchJars();
    } catch (error) {
      return `there are no jars of a Kafka broker: ${String(error)}`;
    }
    return await TestBroker.#run(jars);
  }

  static async #run(jars: string): Promise<TestBroker> {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-test-broker-'));
    const [port, controller] = [await freePort(), await freePort()];
    const settings = join(folder, 'server.properties');
    writeFileSync(settings, propertiesOf(folder, port, controller));
    format(jars, folder, settings);
    const child = spawn('java', [...JAVA, '-cp', join(jars, '*'), 'kafka.Kafka', settings], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        said = `${said}${chunk.toString()}`.slice(-4000);
      });
    // Should this process end in another way than by `stop`, the broker goes with it.
    process.on('exit', () => child.kill('SIGKILL'));
    const until = Date.now() + START_MS;
    while (!(await accepts(port))) {
      if (child.exitCode !== null || Date.now() > until) {
        child.kill('SIGKILL');
        throw new Error(`the broker did not start: ${said}`);
      }
      await sleep(LOOK_EVERY);
    }
    return new TestBroker(`localhost:${port}`, child, folder);
  }

  /** Holds it, as a network that loses everything would; `go` lets it go on. */
  pause(): void {
    this.#process.kill('SIGSTOP');
  }

  go(): void {
    this.#process.kill('SIGCONT');
  }

  stop(): void {
    this.#process.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** What a new broker finds on its disk. It is the same for all of them, so it is made once for a set of jars. */
function format(jars: string, folder: string, settings: string): void {
  const logs = join(folder, 'logs');
  const formatted = `${jars}-formatted`;
  if (existsSync(formatted)) return cpSync(formatted, logs, { recursive: true });
  const args = [
    ...JAVA,
    '-cp',
    join(jars, '*'),
    'kafka.tools.StorageTool',
    'format',
    '-t',
    CLUSTER,
    '-c',
    settings,
  ];
  const { status, stdout, stderr } = spawnSync('java', args, { encoding: 'utf8', timeout: START_MS });
  if (status !== 0) throw new Error(`the broker's disk cannot be formatted: ${stdout}${stderr}`);
  const fresh = mkdtempSync(`${jars}-fresh-`);
  cpSync(logs, fresh, { recursive: true });
  try {
    renameSync(fresh, formatted);
  } catch {
    // Another was as fast.
    rmSync(fresh, { recursive: true, force: true });
  }
}

function propertiesOf(folder: string, port: number, controller: number): string {
  const lines = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@localhost:${controller}`,
    listeners: `PLAINTEXT://localhost:${port},CONTROLLER://localhost:${controller}`,
    'advertised.listeners': `PLAINTEXT://localhost:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(folder, 'logs'),
    'auto.create.topics.enable': false,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 1,
    // A transaction that is over its time is found at once.
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': 200,
    'num.network.threads': 1,
    'num.io.threads': 2,
    'background.threads': 1,
    'log.cleaner.dedupe.buffer.size': 2_000_000,
    'group.initial.rebalance.delay.ms': 0,
  };
  return Object.entries(lines)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, 'localhost', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, 'localhost');
    const say = (answer: boolean) => {
      socket.destroy();
      done(answer);
    };
    socket.once('connect', () => say(true));
    socket.once('error', () => say(false));
  });
}
