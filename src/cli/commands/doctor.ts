/** `tidemark doctor [--deep]` */
import { statfs } from 'node:fs/promises';
import { EXIT, TidemarkError } from '../../base/errors.js';
import type { HomePaths } from '../../base/home.js';
import { realDisk } from '../../base/real-disk.js';
import type { Catalog } from '../../catalog/catalog.js';
import { findHome } from '../../catalog/home.js';
import { examineHome, type Finding, type Health } from '../../checkpoint/health.js';
import { verifyBundle } from '../../job/bundle-store.js';
import { TOOL_VERSION } from '../../job/tool-version.js';
import type { Context, Given } from '../context.js';
import { type DiskSpace, type Doctor, diskFinding, doctorText, findingLines } from '../doctor-view.js';
import { withCatalog } from '../session.js';

export async function run(given: Given, context: Context): Promise<number> {
  const { printer, environment, cwd } = context;
  const home = findHome({ flag: context.home, env: environment['TIDEMARK_HOME'], cwd });
  const report = await withCatalog(context, false, (catalog) =>
    examine(given.flag('deep'), context, catalog),
  ).catch((failure: unknown) => unreadable(home, failure));
  if (printer.json) await printer.document(report);
  else {
    await printer.data(doctorText(report));
    await printer.data(findingLines(report.findings, await printer.paint()));
  }
  return report.ok ? EXIT.done : EXIT.corrupt;
}

async function examine(deep: boolean, { printer, clock }: Context, catalog: Catalog): Promise<Doctor> {
  const wheel = await printer.spinner('looking');
  try {
    const health = await examineHome(realDisk, catalog, {
      now: clock.now(),
      deep,
      verifyBundle: (hash) => verifyBundle(realDisk, catalog.home, hash),
      onProgress: (done, of) => wheel.say(`looking at segment ${done + 1} of ${of}`),
    });
    return await report(catalog.home, catalog.sqliteVersion(), health);
  } finally {
    wheel.stop();
  }
}

/** A catalog that cannot even be opened is a finding; whatever else fails is an error of this command. */
function unreadable(home: HomePaths, failure: unknown): Promise<Doctor> {
  if (!(failure instanceof TidemarkError) || failure.code !== 'CATALOG_CORRUPT') throw failure;
  const hint = failure.hint ?? null;
  const finding: Finding = { code: 'CATALOG_CORRUPT', severity: 'error', what: failure.message, hint };
  return report(home, null, { findings: [finding], jobs: [], segments: { count: 0, bytes: 0 } });
}

async function report({ root }: HomePaths, sqlite: string | null, health: Health): Promise<Doctor> {
  const { bavail, bsize, blocks } = await statfs(root);
  const disk: DiskSpace = { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  const low = diskFinding(disk, health.jobs);
  const findings = [...health.findings, ...(low === undefined ? [] : [low])];
  return {
    ok: findings.every(({ severity }) => severity !== 'error'),
    home: root,
    versions: { tidemark: TOOL_VERSION, node: process.versions.node, sqlite },
    disk,
    segments: health.segments,
    jobs: health.jobs,
    findings,
  };
}
