/** Writes rows as they come, many at a time: JSON lines, or a table whose widths are those of a page. */
import type { Printer } from './printer.js';
import { type Column, table } from './table.js';

/** Rows of one page of a table, and bytes of lines written at once. */
const PAGE = 1_000;
const BATCH = 64 * 1024;

export class RowWriter {
  rows = 0;
  readonly #printer: Printer;
  readonly #columns: readonly Column[];
  #lines = '';
  #page: (readonly string[])[] = [];
  #titled = false;

  constructor(printer: Printer, columns: readonly Column[]) {
    this.#printer = printer;
    this.#columns = columns;
  }

  /** `json` under `--json`, else `cells`. Wait for it before the next. */
  async row(json: () => unknown, cells: () => readonly string[]): Promise<void> {
    this.rows++;
    if (this.#printer.json) {
      this.#lines += `${JSON.stringify(json())}\n`;
      if (this.#lines.length >= BATCH) await this.#flushLines();
    } else {
      this.#page.push(cells());
      if (this.#page.length >= PAGE) await this.#flushPage();
    }
  }

  async end(): Promise<void> {
    await this.#flushLines();
    await this.#flushPage();
  }

  async #flushLines(): Promise<void> {
    if (this.#lines === '') return;
    const lines = this.#lines;
    this.#lines = '';
    await this.#printer.data(lines);
  }

  async #flushPage(): Promise<void> {
    if (this.#page.length === 0) return;
    const text = table(this.#columns, this.#page);
    await this.#printer.data(this.#titled ? text.slice(text.indexOf('\n') + 1) : text);
    this.#titled = true;
    this.#page = [];
  }
}
