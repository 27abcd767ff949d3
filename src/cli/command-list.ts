/** Every command: what it takes and how it is explained. The commands themselves are loaded when they run. */
import type { CommandSpec } from './command-spec.js';
import { CHANGE_COMMANDS } from './specs/change.js';
import { CLEAN_COMMANDS } from './specs/clean.js';
import { HELP_COMMANDS } from './specs/help.js';
import { LOOK_COMMANDS } from './specs/look.js';
import { RUN_COMMANDS } from './specs/run.js';
import { SAVE_COMMANDS } from './specs/save.js';
import { STEER_COMMANDS } from './specs/steer.js';

export const COMMANDS: readonly CommandSpec[] = [
  ...RUN_COMMANDS,
  ...LOOK_COMMANDS,
  ...STEER_COMMANDS,
  ...SAVE_COMMANDS,
  ...CHANGE_COMMANDS,
  ...CLEAN_COMMANDS,
  ...HELP_COMMANDS,
];
