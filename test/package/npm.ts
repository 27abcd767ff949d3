/** npm, Node and the package made of this tree, as somebody far away uses them. */
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, existsSync, mkdirSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, resolve } from 'node:path';

export const PROJECT = resolve(import.meta.dirname, '../../..');

/** Really run the install scripts of dependencies, which compiles for more than a minute on Node 20. */
const FULL_INSTALL = process.env['TIDEMARK_TEST_FULL_INSTALL'] === '1';
/** CI says so: a registry that cannot be reached is a failure there, and a skipped test elsewhere. */
const NETWORK_REQUIRED = process.env['TIDEMARK_TEST_NETWORK'] === 'required';

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An installed tidemark and the Node it is run by. */
export interface Installed {
  readonly node: string;
  /** The folder of the installed package. */
  readonly root: string;
  /** The `tidemark` that npm put beside other commands. */
  readonly command: string;
}

/** The path of npm's own script: `npm test` names it, else it is what `npm` on the PATH leads to. */
function npmScript(name: 'npm-cli.js' | 'npx-cli.js'): string {
  const given = process.env['npm_execpath'];
  if (given !== undefined && /npm-cli\.js$/.test(given)) return join(dirname(given), name);
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const found = folders.map((folder) => join(folder, 'npm')).find((file) => existsSync(file));
  if (found === undefined) throw new Error('npm is not on the PATH');
  return join(dirname(realpathSync(found)), name);
}

/**
 * What npm tells its scripts about the outer project would lead an inner npm there; its settings stay, and the
 * certificates that test/run.mjs has put aside are there again.
 */
function environment(node: string): NodeJS.ProcessEnv {
  const told =
    /^npm_(?:package_|lifecycle_|command$|execpath$|node_execpath$|config_(?:local_|global_)?prefix$)|^INIT_CWD$/;
  const kept = Object.entries(process.env).filter(([name]) => !told.test(name) && name !== 'TIDEMARK_HOME');
  const path = [dirname(node), process.env['PATH'] ?? ''].join(delimiter);
  const certificates = process.env['TIDEMARK_TEST_CERTIFICATES'];
  const trusted = certificates === undefined ? {} : { NODE_EXTRA_CA_CERTS: certificates };
  return { ...Object.fromEntries(kept), ...trusted, PATH: path };
}

/** Runs a script with a Node, whose folder also leads the PATH: `env node` finds the same one. */
export function run(node: string, args: readonly string[], cwd: string): Result {
  const result = spawnSync(node, args, { cwd, env: environment(node), encoding: 'utf8' });
  if (result.error !== undefined) throw result.error;
  return { code: result.status, stdout: result.stdout, stderr: result.stderr };
}

/** Starts what `run` runs, without waiting for it. */
export function start(node: string, args: readonly string[], cwd: string) {
  return spawn(node, args, { cwd, env: environment(node), stdio: 'ignore' });
}

export function npm(node: string, args: readonly string[], cwd: string): Result {
  return run(node, [npmScript('npm-cli.js'), ...args], cwd);
}

export function npx(node: string, args: readonly string[], cwd: string): Result {
  return run(node, [npmScript('npx-cli.js'), ...args], cwd);
}

/** The registry could not be reached: nothing is known about the package. */
export class Offline extends Error {}

/**
 * `npm install`. Compiling better-sqlite3 is npm's business and was done once, by `npm ci` of this tree; so the
 * scripts of dependencies are left out, and `lendBinding` puts in what they would have made.
 */
export function install(node: string, args: readonly string[], cwd: string): void {
  // A project says in its package.json whose scripts it allows; the flag is refused there.
  const allowed = args.includes('--global') ? ['--allow-scripts=better-sqlite3'] : [];
  const scripts = FULL_INSTALL ? allowed : ['--ignore-scripts'];
  // npm's own patience with a registry that does not answer is minutes.
  const patience = NETWORK_REQUIRED ? [] : ['--fetch-retries=0'];
  const flags = [...scripts, ...patience, '--prefer-offline', '--no-audit', '--no-fund'];
  const { code, stderr } = npm(node, ['install', ...flags, ...args], cwd);
  if (code === 0) return;
  const offline = /\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED)\b/.test(
    stderr,
  );
  if (offline && !NETWORK_REQUIRED) throw new Offline('the registry cannot be reached');
  throw new Error(`npm install ${args.join(' ')} ended with ${code}:\n${stderr}`);
}

/** `npm pack`; the build is there already. Returns the tarball and what is in it. */
export function pack(folder: string): { readonly tarball: string; readonly files: readonly string[] } {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const { code, stdout, stderr } = npm(process.execPath, args, PROJECT);
  if (code !== 0) throw new Error(`npm pack ended with ${code}:\n${stderr}`);
  interface Packed {
    readonly filename: string;
    readonly files: readonly { readonly path: string }[];
  }
  const [packed] = Object.values(JSON.parse(stdout) as Record<string, Packed>);
  if (packed === undefined) throw new Error('npm pack packed nothing');
  return { tarball: join(folder, packed.filename), files: packed.files.map(({ path }) => path) };
}

export function installedIn(node: string, folder: string): Installed {
  const modules = join(folder, 'node_modules');
  return { node, root: join(modules, 'tidemark'), command: join(modules, '.bin', 'tidemark') };
}

export function installedGlobally(node: string, prefix: string): Installed {
  const root = join(prefix, 'lib', 'node_modules', 'tidemark');
  return { node, root, command: join(prefix, 'bin', 'tidemark') };
}

/** The folder of a package that the installed tidemark would load; undefined when npm left it out. */
export function dependencyOf({ root }: Installed, name: string): string | undefined {
  try {
    return dirname(createRequire(join(root, 'package.json')).resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

const BINDING = 'build/Release/better_sqlite3.node';

/** Where the compiled part of the better-sqlite3 for this Node's ABI lies, in this tree or an installed one. */
export function bindingOf(installed?: Installed): string | undefined {
  if (installed === undefined) {
    const own = join(PROJECT, 'node_modules/better-sqlite3', BINDING);
    return existsSync(own) ? own : undefined;
  }
  const folder = dependencyOf(installed, 'better-sqlite3');
  return folder === undefined ? undefined : join(folder, BINDING);
}

/** The package.json of somebody's project. */
export const MANIFEST = JSON.stringify({
  name: 'elsewhere',
  private: true,
  allowScripts: { 'better-sqlite3': true },
});

/** Puts this tree's compiled better-sqlite3 into an installed copy; see `install`. */
export function lendBinding(installed: Installed): void {
  const own = bindingOf();
  const target = bindingOf(installed);
  if (FULL_INSTALL || own === undefined || target === undefined) return;
  mkdirSync(dirname(target), { recursive: true });
  cpSync(own, target);
}

/** Lets an installed copy of the library say, in every thread that evaluates it, that it was loaded. */
export function mark({ root }: Installed, name: string): void {
  const line = `\n(globalThis.tidemarkCopies ??= []).push(${JSON.stringify(name)});\n`;
  for (const file of ['index.js', 'bundled/library.js']) appendFileSync(join(root, 'dist/src', file), line);
}
