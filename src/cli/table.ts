/** Columns of text. */
import { stripVTControlCharacters } from 'node:util';

export interface Column {
  readonly title: string;
  readonly right?: boolean;
}

const GAP = '  ';

/** Lines of aligned columns under their titles; nothing is padded behind the last. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const lines = [columns.map((column) => column.title), ...rows];
  const widths = columns.map((_, at) => Math.max(...lines.map((cells) => width(cells[at] ?? ''))));
  return lines.map((cells) => `${row(columns, widths, cells)}\n`).join('');
}

/** `name  value` lines, for one thing with many properties. */
export function properties(pairs: readonly (readonly [name: string, value: string])[]): string {
  const widest = Math.max(0, ...pairs.map(([name]) => width(name)));
  return pairs.map(([name, value]) => `${pad(name, widest, false)}${GAP}${value}\n`).join('');
}

function row(columns: readonly Column[], widths: readonly number[], cells: readonly string[]): string {
  return columns
    .map((column, at) => pad(cells[at] ?? '', widths[at] ?? 0, column.right === true))
    .join(GAP)
    .trimEnd();
}

function pad(text: string, to: number, right: boolean): string {
  const blanks = ' '.repeat(Math.max(0, to - width(text)));
  return right ? blanks + text : text + blanks;
}

/** Characters on the terminal; colours take none. */
function width(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}
