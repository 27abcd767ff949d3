/** `tidemark status <job> [--watch]` */
import { EXIT } from '../../base/errors.js';
import type { JobState } from '../../catalog/records.js';
import type { Context, Given } from '../context.js';
import { readStatus, type Status } from '../live-status.js';
import { withCatalog } from '../session.js';
import { statusView } from '../status-view.js';

const WATCH_INTERVAL = 1_000;
/** States in which nothing changes by itself. */
const AT_REST: readonly JobState[] = ['finished', 'canceled', 'failed', 'suspended', 'lost'];

export function run(given: Given, context: Context): Promise<number> {
  return withCatalog(context, false, async (catalog) => {
    const watch = given.flag('watch');
    const { id } = catalog.job(given.operands[0] ?? '');
    for (;;) {
      const status = await readStatus(catalog, id);
      await show(status, watch, context);
      if (!watch || AT_REST.includes(status.document.state)) return EXIT.done;
      await context.clock.sleep(WATCH_INTERVAL);
    }
  });
}

async function show({ document, stale }: Status, watch: boolean, { printer, clock }: Context): Promise<void> {
  if (printer.json) {
    await (watch ? printer.row(document) : printer.document(document));
  } else {
    const view = statusView(document, await printer.paint(), clock.now());
    if (watch) await printer.clear();
    await printer.data(view);
  }
  if (stale !== undefined) printer.warn(`these numbers are old: ${stale}`);
}
