/** Carries a plan out: takes the blocks of an archive through what is to be done with their tables. */
import { keysOf } from '../archive/entries-view.js';
import type { Archive } from '../archive/read.js';
import { present } from '../base/assert.js';
import { TidemarkError } from '../base/errors.js';
import type { Sqlite } from '../sqlite/sqlite.js';
import type { Edits } from './edits.js';
import { Findings } from './findings.js';
import { labelOf } from './names.js';
import { Rekey } from './rekey.js';
import type { RewritePlan, TablePlan } from './rewrite-plan.js';
import type { Tallies } from './rewrite-report.js';
import { openFilters, RowFilter } from './row-filter.js';
import { type TableBlock, tableBlocks } from './table-blocks.js';
import type { EntryMapper } from './table-map.js';

interface TableChange {
  readonly filter: RowFilter | undefined;
  readonly mapped: boolean;
  readonly rekey: Rekey | undefined;
}

export class ChangeTables {
  readonly #plan: RewritePlan;
  readonly #tallies: Tallies;
  /** Tables that stay, by id. */
  readonly #changes = new Map<number, TableChange>();
  #filters: Sqlite | undefined;

  /** What is wrong with filters, or keys, goes to `findings`; the changes are of use where nothing is. */
  constructor(plan: RewritePlan, tallies: Tallies, findings: Findings) {
    this.#plan = plan;
    this.#tallies = tallies;
    try {
      for (const one of plan.tables) this.#addTable(one, findings);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * All entries as they become, in no order. The mapper, and the edits, are used up.
   * @throws what filters and maps do; KEY_NOT_FOUND for edits; throws BytesDamaged for what is no entry
   */
  async *blocks(
    archive: Archive,
    edits: Edits | undefined,
    mapper: EntryMapper | undefined,
    throwWrongEdits: (findings: Findings) => void,
  ): AsyncGenerator<TableBlock, void> {
    const { manifest, provenance } = archive;
    const whole = manifest.layout === 'canonical';
    const wanted = (table: number) => this.#changes.has(table);
    const read = archive.blocks({ tables: [...this.#changes.keys()] });
    for await (const block of tableBlocks(read, wanted, provenance.barrierTime, whole)) {
      this.#tallies.of(block.table).before += block.entries;
      const changed = await this.#change(block, edits, mapper);
      if (changed !== undefined) yield this.#rekeyed(changed);
    }
    if (edits === undefined) return;
    const findings = new Findings();
    edits.checkRest(findings);
    throwWrongEdits(findings);
    for (const block of edits.added()) {
      this.#tallies.of(block.table).added += block.entries;
      yield this.#rekeyed(block);
    }
  }

  close(): void {
    this.#filters?.close();
    this.#filters = undefined;
  }

  #addTable({ before, table, operator, filters, map, rekey }: TablePlan, findings: Findings): void {
    if (table === undefined) return;
    let filter: RowFilter | undefined;
    if (filters.length > 0) {
      this.#filters ??= openFilters();
      filter = new RowFilter(this.#filters, filters, table, operator, findings);
    }
    const keys = rekey ? keysOf(table, operator) : undefined;
    if (rekey && keys === undefined)
      throw new TidemarkError(
        'ARCHIVE_CORRUPT',
        `${labelOf(before)} is keyed state of an operator without keys`,
        { hint: 'look at all that is wrong with it: tidemark verify FILE' },
      );
    this.#changes.set(before.id, {
      filter,
      mapped: map !== undefined,
      rekey:
        keys === undefined ? undefined : new Rekey(keys, present(this.#plan.maxParallelism, 'the new one')),
    });
  }

  async #change(
    block: TableBlock,
    edits: Edits | undefined,
    mapper: EntryMapper | undefined,
  ): Promise<TableBlock | undefined> {
    const { filter, mapped } = present(this.#changes.get(block.table), 'the change of a table');
    const tally = this.#tallies.of(block.table);
    let left: TableBlock | undefined = filter === undefined ? block : filter.apply(block);
    if (left !== undefined && mapped) {
      const done = await present(mapper, 'a mapper').map(left);
      tally.changed += done.changed;
      left = done.block;
    }
    if (left !== undefined && edits?.has(block.table) === true) {
      const done = edits.apply(left);
      tally.changed += done.changed;
      left = done.block;
    }
    tally.removed += block.entries - (left?.entries ?? 0);
    return left;
  }

  #rekeyed(block: TableBlock): TableBlock {
    const tally = this.#tallies.of(block.table);
    tally.after += block.entries;
    const { rekey } = present(this.#changes.get(block.table), 'the change of a table');
    if (rekey === undefined) return block;
    const before = rekey.moved;
    const moved = present(rekey.apply(block), 'a block');
    tally.moved += rekey.moved - before;
    return moved;
  }
}
