/**
 * Cuts a list into `parts` contiguous runs, in its order: how list state is dealt to subtasks on a restore (Flink's
 * even-split redistribution). Sizes differ by one at most; the longer runs come first.
 */
export function dealRuns<T>(elements: readonly T[], parts: number): readonly (readonly T[])[] {
  const least = Math.floor(elements.length / parts);
  const longer = elements.length % parts;
  return Array.from({ length: parts }, (_, part) => {
    const start = part * least + Math.min(part, longer);
    return elements.slice(start, start + least + (part < longer ? 1 : 0));
  });
}
