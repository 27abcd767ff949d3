/** What every group of statements works with. */
import type { Clock } from '../base/clock.js';
import type { HomePaths } from '../base/home.js';
import type { Random } from '../base/random.js';
import type { Sqlite } from '../sqlite/sqlite.js';

export interface CatalogContext {
  readonly db: Sqlite;
  readonly home: HomePaths;
  readonly clock: Clock;
  readonly random: Random;
}
