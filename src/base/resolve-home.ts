/** Which folder is the home (DESIGN 1). Pure: what exists is asked of the caller. */
import { dirname, join, resolve } from 'node:path';

export const HOME_NAME = '.tidemark';

export interface HomeQuestion {
  /** `--home`. */
  readonly flag: string | undefined;
  /** `$TIDEMARK_HOME`; an empty one counts as not set. */
  readonly env: string | undefined;
  /** Where the command runs; absolute. */
  readonly cwd: string;
  /** Whether a folder is a home. Asked from `cwd` upwards. */
  readonly isHome: (folder: string) => boolean;
}

/** An absolute path: the flag, else the environment, else the nearest `.tidemark` upwards, else `./.tidemark`. */
export function resolveHome({ flag, env, cwd, isHome }: HomeQuestion): string {
  if (flag !== undefined) return resolve(cwd, flag);
  if (env !== undefined && env !== '') return resolve(cwd, env);
  for (let folder = cwd; ; folder = dirname(folder)) {
    const home = join(folder, HOME_NAME);
    if (isHome(home)) return home;
    if (folder === dirname(folder)) return join(cwd, HOME_NAME);
  }
}
