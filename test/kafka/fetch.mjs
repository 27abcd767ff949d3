// Fetches the jars of a Kafka broker for the tests, with Maven and from wherever Maven is told to: `node test/kafka/fetch.mjs`.
//
// They are kept in TIDEMARK_TEST_KAFKA_DIR, else in a folder of the system's temporary one, and fetched once. Every jar is
// held against jars.sha256: what is not in it, or differs, is not used. Prints the folder; ends with 1 and the reason where
// there is no Java, no Maven, or nothing to be had.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = import.meta.dirname;
const FETCH_MS = 180_000;
const SUMS = readFileSync(join(HERE, 'jars.sha256'), 'utf8');
// Another set of jars is another folder.
const NAME = `tidemark-test-kafka-${createHash('sha256').update(SUMS).digest('hex').slice(0, 12)}`;

/** The folder with the jars. Throws an Error that says why there is none. */
export function fetchJars({ offline = false } = {}) {
  const folder = join(process.env['TIDEMARK_TEST_KAFKA_DIR'] ?? tmpdir(), NAME);
  if (isWhole(folder)) return folder;
  if (offline) throw new Error(`no jars in ${folder}; fetch them with: node test/kafka/fetch.mjs`);
  const fresh = mkdtempSync(`${mkdirs(folder)}-`);
  try {
    runMaven(fresh);
    if (!isWhole(fresh)) throw new Error('what Maven fetched is not what test/kafka/jars.sha256 says');
    moveTo(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return folder;
}

function mkdirs(folder) {
  mkdirSync(join(folder, '..'), { recursive: true });
  return folder;
}

function runMaven(folder) {
  // A copy: Maven writes beside the file it is given.
  const project = mkdtempSync(join(tmpdir(), 'tidemark-test-maven-'));
  try {
    cpSync(join(HERE, 'pom.xml'), join(project, 'pom.xml'));
    const args = [
      '-q',
      '-B',
      'dependency:copy-dependencies',
      '-DincludeScope=runtime',
      `-DoutputDirectory=${folder}`,
    ];
    const { error, status, stdout, stderr } = spawnSync('mvn', args, {
      cwd: project,
      timeout: FETCH_MS,
      encoding: 'utf8',
    });
    if (error !== undefined) throw new Error(`mvn: ${error.message}`);
    if (status !== 0) throw new Error(`mvn ended with ${status}: ${`${stdout}${stderr}`.slice(-500)}`);
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

/** Another process may have been as fast. */
function moveTo(fresh, folder) {
  try {
    renameSync(fresh, folder);
  } catch (error) {
    if (!isWhole(folder)) throw error;
  }
}

function isWhole(folder) {
  if (!existsSync(folder)) return false;
  const wanted = new Map(
    SUMS.trim()
      .split('\n')
      .map((line) => line.split(/\s+/))
      .map(([sum, name]) => [name, sum]),
  );
  const found = readdirSync(folder);
  return (
    found.length === wanted.size &&
    found.every(
      (name) =>
        wanted.get(name) ===
        createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex'),
    )
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.stdout.write(`${fetchJars()}\n`);
  } catch (error) {
    process.stderr.write(`no Kafka for the tests: ${error.message}\n`);
    process.exitCode = 1;
  }
}
