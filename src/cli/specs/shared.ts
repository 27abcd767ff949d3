/** Operands and options that several commands have. */
import type { OperandSpec, OptionSpec } from '../command-spec.js';

export const JOB: OperandSpec = {
  name: '<job>',
  text: 'its name, its id or a unique beginning of the id',
  completes: 'job',
};
export const DEFINITION: OperandSpec = {
  name: '<definition>',
  text: 'the TypeScript or JavaScript file that describes the job',
  completes: 'file',
};
export const TIMEOUT: OptionSpec = {
  flags: '--timeout <duration>',
  text: 'wait no longer than this, then exit 8; what was asked goes on (default: no limit)',
};
export const SNAPSHOT: OperandSpec = {
  name: '<snapshot>',
  text: 'a FILE (with a / or ending in .tar), a job, or job@CHECKPOINT',
  completes: 'snapshot',
};
export const ARCHIVE: OperandSpec = {
  name: '<file>',
  text: 'an archive: a path with a / or ending in .tar',
  completes: 'file',
};
export const OUTPUT: readonly OptionSpec[] = [
  {
    flags: '-o, --output <file>',
    text: 'where to, - for stdout; a name ending in / is a folder (default: ./<job>-<checkpoint>.savepoint.tar)',
    completes: 'file',
  },
  { flags: '--force', text: 'replace a file that is there' },
  { flags: '--reason <text>', text: 'why; it is kept in the archive and shown by snapshots' },
];
export const SIGN: OptionSpec = {
  flags: '--sign <key>',
  text: 'sign it with this private key, ed25519 in PEM',
  completes: 'file',
};
export const REQUIRE_SIGNATURE: OptionSpec = {
  flags: '--require-signature <key>',
  text: 'refuse an archive that is not signed by this public key, ed25519 in PEM; or by one of several',
  repeats: true,
  completes: 'file',
};
export const STATE: OptionSpec = {
  flags: '--state <uid.name>',
  text: 'one state only, as the summary names it',
};
export const LIMIT: OptionSpec = { flags: '--limit <n>', text: 'the most lines to print' };
export const DETACH: OptionSpec = {
  flags: '-d, --detach',
  text: 'run it in the background; return once it runs',
};
/** What decides whether a definition takes a snapshot, for check and upgrade as for restore. */
export const LEAVE_BEHIND: readonly OptionSpec[] = [
  { flags: '--allow-non-restored-state', text: 'leave behind what the definition has no place for' },
  {
    flags: '--drop <state>',
    text: 'leave this behind, an operator or one state of it: uid or uid.state',
    repeats: true,
  },
  {
    flags: '--strict',
    text: 'refuse what is unproven: state and keys that the definition declares no type for',
  },
];
