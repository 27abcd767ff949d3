/** How alike two names are, from 0 to 1: 1 − edit distance ÷ the longer length (Levenshtein), whatever the case. Pure. */
export function similarity(a: string, b: string): number {
  const [from, to] = [a.toLowerCase(), b.toLowerCase()];
  const longer = Math.max(from.length, to.length);
  return longer === 0 ? 1 : 1 - distance(from, to) / longer;
}

function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const swap = from[i - 1] === to[j - 1] ? 0 : 1;
      const [above = 0, corner = 0, left = 0] = [row[j], row[j - 1], next[j - 1]];
      next.push(Math.min(above + 1, left + 1, corner + swap));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
