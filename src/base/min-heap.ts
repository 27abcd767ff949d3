/** A binary heap: the least first. */
export class MinHeap<T> {
  readonly #less: (a: T, b: T) => boolean;
  readonly #items: T[] = [];

  constructor(less: (a: T, b: T) => boolean) {
    this.#less = less;
  }

  get size(): number {
    return this.#items.length;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  add(item: T): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = items[up] as T;
      if (!this.#less(item, parent)) break;
      items[at] = parent;
      at = up;
    }
    items[at] = item;
  }

  take(): T | undefined {
    const items = this.#items;
    const [first] = items;
    const last = items.pop();
    if (items.length === 0 || last === undefined) return first;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= items.length) break;
      if (down + 1 < items.length && this.#less(items[down + 1] as T, items[down] as T)) down++;
      const child = items[down] as T;
      if (!this.#less(child, last)) break;
      items[at] = child;
      at = down;
    }
    items[at] = last;
    return first;
  }
}
