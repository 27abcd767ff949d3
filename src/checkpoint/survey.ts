/**
 * What lies in a home, and what refers to it: what `prune` decides on and `doctor` judges. Reads only.
 *
 * Files are listed before the catalog is read: what was there and is known to nobody then is leaked, for a segment
 * is leased before it has its name. What is found may change at once; who acts on it asks again.
 */
import { join } from 'node:path';
import { openArchive } from '../archive/read.js';
import type { Disk } from '../base/disk.js';
import { JOB_ID } from '../base/ids.js';
import type { Catalog } from '../catalog/catalog.js';
import type { CheckpointRecord, JobRecord, LeaseRecord, PinRecord, SegmentUse } from '../catalog/records.js';

/** A bundle, or an unfinished file where somebody writes, is left alone until it is this old, in milliseconds. */
export const YOUNG_MS = 3_600_000;

const SEGMENT = /^([0-9a-f]{64})\.seg$/;
const BUNDLE = /^([0-9a-f]{64})\.mjs$/;
const UNFINISHED = '.tmp';

export interface SurveyedJob {
  readonly job: JobRecord;
  /** A process runs it, or is about to. */
  readonly held: boolean;
  /** All that are remembered, oldest first. */
  readonly checkpoints: readonly CheckpointRecord[];
  readonly pins: readonly PinRecord[];
}

export interface SurveyedSegment extends SegmentUse {
  /** The size of the file; undefined when it is missing. */
  readonly found: number | undefined;
}

export interface HomeFile {
  readonly path: string;
  readonly bytes: number;
}

export interface Survey {
  /** Newest first. */
  readonly jobs: readonly SurveyedJob[];
  /** Those on disk, and those that the catalog knows, by name. */
  readonly segments: readonly SurveyedSegment[];
  /** Half-written files that nobody writes any more. */
  readonly unfinished: readonly HomeFile[];
  /** Frozen definitions that neither a job nor an archive that is still in its place names. */
  readonly bundles: readonly (HomeFile & { readonly hash: string })[];
  readonly staleLeases: readonly LeaseRecord[];
  readonly expiredPins: readonly PinRecord[];
}

export async function surveyHome(disk: Disk, catalog: Catalog, now: number): Promise<Survey> {
  const { home } = catalog;
  const files = await sizes(disk, home.segments, SEGMENT);
  const unfinished = await findUnfinished(disk, catalog, now);
  const bundles = await findBundles(disk, catalog, now);
  const uses = catalog.segments();
  const known = new Set(uses.map(({ name }) => name));
  const unknown = catalog.orphanSegments([...files.keys()].filter((name) => !known.has(name)));
  const leaked: SurveyedSegment[] = [];
  for (const name of unknown) {
    // A job may have dropped it since it was listed, and be about to remove it.
    const stat = await disk.stat(home.segment(name));
    if (stat !== undefined)
      leaked.push({ name, bytes: stat.size, found: stat.size, checkpoints: [], leasedBy: [] });
  }
  return {
    jobs: catalog.jobs({ all: true }).map((job) => surveyJob(catalog, job)),
    segments: [...uses.map((use) => ({ ...use, found: files.get(use.name)?.bytes })), ...leaked],
    unfinished,
    bundles,
    staleLeases: catalog.staleLeases(),
    expiredPins: catalog.expiredPins(),
  };
}

export function surveyJob(catalog: Catalog, job: JobRecord): SurveyedJob {
  const held = catalog.isHeld(job.id);
  return { job, held, checkpoints: catalog.checkpoints(job.id), pins: catalog.pins(job.id) };
}

interface Sized extends HomeFile {
  readonly modified: number;
}

/** By what the pattern's first group finds in the name. */
async function sizes(disk: Disk, folder: string, pattern: RegExp): Promise<Map<string, Sized>> {
  const found = new Map<string, Sized>();
  for (const file of await disk.list(folder)) {
    const name = pattern.exec(file)?.[1];
    const path = join(folder, file);
    const stat = name === undefined ? undefined : await disk.stat(path);
    if (name === undefined || stat?.isFile !== true) continue;
    found.set(name, { path, bytes: stat.size, modified: stat.modified });
  }
  return found;
}

/**
 * Only who holds a job's lock writes into its folder and among the segments; so what was there before that lock was
 * seen free is nobody's. Bundles are written without a lock, and half-made catalogs are, too.
 */
async function findUnfinished(disk: Disk, catalog: Catalog, now: number): Promise<HomeFile[]> {
  const { home } = catalog;
  const ids = (await disk.list(join(home.root, 'jobs'))).filter((name) => JOB_ID.test(name));
  const dead: HomeFile[] = [];
  const segments = await unfinishedIn(disk, home.segments);
  const origins: (Sized & { readonly id: string })[] = [];
  let held = false;
  for (const id of ids) {
    const own = await unfinishedIn(disk, home.job(id).folder);
    const { origin } = home.job(id);
    const stat = await disk.stat(origin);
    const free = !catalog.isHeld(id);
    if (free) dead.push(...own);
    else held = true;
    if (free && stat !== undefined)
      origins.push({ id, path: origin, bytes: stat.size, modified: stat.modified });
  }
  // What a restore has converted for a job that it did not come to create: looked up after the locks.
  const known = new Set(catalog.jobs({ all: true }).map(({ id }) => id));
  dead.push(...origins.filter(({ id }) => !known.has(id)));
  const old = ({ modified }: Sized) => modified <= now - YOUNG_MS;
  dead.push(...segments.filter((file) => !held || old(file)));
  for (const folder of [home.bundles, home.root])
    dead.push(...(await unfinishedIn(disk, folder)).filter(old));
  return dead.map(({ path, bytes }) => ({ path, bytes }));
}

async function unfinishedIn(disk: Disk, folder: string): Promise<Sized[]> {
  return [...(await sizes(disk, folder, /^(.+)$/)).values()].filter(({ path }) => path.endsWith(UNFINISHED));
}

/** A restore without a definition runs the bundle that its archive names: that one is kept while the archive is. */
async function findBundles(disk: Disk, catalog: Catalog, now: number): Promise<Survey['bundles']> {
  const files = await sizes(disk, catalog.home.bundles, BUNDLE);
  const old = [...files].filter(([, { modified }]) => modified <= now - YOUNG_MS);
  const candidates = catalog.unnamedBundles(old.map(([hash]) => hash));
  if (candidates.length === 0) return [];
  const named = await bundlesOfArchives(disk, catalog);
  return candidates.flatMap((hash) => {
    const file = files.get(hash);
    return file === undefined || named.has(hash) ? [] : [{ hash, path: file.path, bytes: file.bytes }];
  });
}

async function bundlesOfArchives(disk: Disk, catalog: Catalog): Promise<ReadonlySet<string>> {
  const taken = catalog.savepoints().map(({ path }) => path);
  const origins = catalog.jobs({ all: true }).flatMap(({ origin }) => origin?.path ?? []);
  const named = new Set<string>();
  for (const path of new Set([...taken, ...origins])) {
    // One that is gone, or is no archive any more, needs nothing of ours.
    const archive = await openArchive(disk, path).catch(() => undefined);
    const hash = archive?.provenance.bundleHash;
    if (hash !== undefined && hash !== null) named.add(hash);
    await archive?.close();
  }
  return named;
}
