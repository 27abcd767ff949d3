/** `tidemark plan <definition>` */
import { resolve } from 'node:path';
import { EXIT } from '../../base/errors.js';
import { describeDefinition } from '../../job/describe-definition.js';
import type { Context, Given } from '../context.js';
import { planView } from '../plan-view.js';
import { paramFlags, settingsFlags } from '../start-options.js';

export async function run(given: Given, { printer, cwd, environment }: Context): Promise<number> {
  const definition = resolve(cwd, given.operands[0] ?? '');
  const { name, params, bundle, graph } = await describeDefinition(definition, {
    params: paramFlags(given),
    overrides: settingsFlags(given),
    environment,
    output: (text) => printer.note(text.replace(/\n$/, '')),
  });
  const plan = {
    name: given.text('name') ?? name,
    definition,
    bundle: bundle.hash,
    inputs: bundle.inputs,
    external: bundle.external,
    params,
    settings: graph?.settings ?? null,
    replayable: graph?.replayable ?? true,
    nodes: graph?.nodes ?? [],
  };
  if (printer.json) await printer.document(plan);
  else await printer.data(planView(plan, await printer.paint()));
  return EXIT.done;
}
