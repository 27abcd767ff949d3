/** The one error of everything that describes a dataflow wrongly; it lists all that was found. */
import { TidemarkError } from '../base/errors.js';

/** The most findings one message lists. */
const MOST_LISTED = 50;

/** GRAPH_INVALID, listing the findings. `what` is the subject: `definition "word-count"`, `a source`. */
export function graphInvalid(what: string, findings: readonly string[]): TidemarkError {
  const listed = findings.slice(0, MOST_LISTED);
  const rest = findings.length - listed.length;
  const lines = listed.map((finding) => `\n  - ${finding}`).join('');
  const more = rest > 0 ? `\n  and ${rest} more` : '';
  const count = findings.length === 1 ? '1 finding' : `${findings.length} findings`;
  return new TidemarkError('GRAPH_INVALID', `${what} is not valid, ${count}:${lines}${more}`, {
    hint: 'mend the definition, then check it with: tidemark plan <definition>',
  });
}
