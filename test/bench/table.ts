/** How figures are shown to people. */
import { type Figure, holds, type Side } from './figure.js';

export function renderRow(row: string, figures: readonly Figure[]): string {
  return figures.map((figure) => `${renderFigure(row, figure)}\n`).join('');
}

function renderFigure(row: string, figure: Figure): string {
  const held = holds(figure);
  const verdict = held === undefined ? 'no target yet' : held ? 'pass' : 'MISS';
  const { target, unit, compared, value } = figure;
  const wanted = target === undefined ? '' : `, target ${target.kind} ${target.value}`;
  const difference = compared === 'ours - other';
  const shown = difference ? `${number(value)} ${unit}` : number(value);
  return [
    `${row}: ${figure.name}`,
    `  ${side(figure.ours, unit)}`,
    `  ${side(figure.other, unit)}`,
    `  ${compared.padEnd(44)} ${shown.padStart(12)}${wanted}: ${verdict}`,
    ...figure.notes.map((note) => `    ${note}`),
    '',
  ].join('\n');
}

function side({ what, value }: Side, unit: string): string {
  return `${what.padEnd(44)} ${number(value).padStart(12)} ${unit}`;
}

function number(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 3;
  return value.toFixed(digits);
}

/** One line on stderr that says what is going on; only on a terminal. */
export function progressLine(row: string): { show(text: string): void; clear(): void } {
  const { stderr } = process;
  if (!stderr.isTTY) return { show() {}, clear() {} };
  return {
    show: (text) => void stderr.write(`\r\x1b[2K${row}: ${text}`),
    clear: () => void stderr.write('\r\x1b[2K'),
  };
}
