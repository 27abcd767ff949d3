/**
 * Removes the segments that a running job needs no more, without anybody waiting: they lose their names at once, and
 * their blocks are freed by and by.
 */
import type { Disk } from '../base/disk.js';
import type { Catalog } from '../catalog/catalog.js';

export class Removals {
  readonly #catalog: Catalog;
  readonly #disk: Disk;
  readonly #underWay = new Set<Promise<void>>();

  constructor(catalog: Catalog, disk: Disk) {
    this.#catalog = catalog;
    this.#disk = disk;
  }

  /** Those of the names that nothing refers to. @throws what the catalog throws */
  remove(names: readonly string[]): void {
    if (names.length === 0) return;
    for (const path of this.#catalog.setSegmentsAside(names)) {
      // What cannot be removed now is swept as unfinished.
      const removed: Promise<void> = this.#disk
        .remove(path)
        .catch(() => undefined)
        .finally(() => this.#underWay.delete(removed));
      this.#underWay.add(removed);
    }
  }

  /** Resolves when all is gone. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }
}
