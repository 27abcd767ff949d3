/**
 * A doubly linked list: what is added last is last, and anything in it is taken out at once. Nothing is taken out while it
 * is iterated over.
 */
export interface Link<T> {
  readonly value: T;
  before: Link<T> | undefined;
  after: Link<T> | undefined;
}

export class LinkedList<T> {
  first: Link<T> | undefined;
  #last: Link<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(value: T): Link<T> {
    const link: Link<T> = { value, before: this.#last, after: undefined };
    if (this.#last === undefined) this.first = link;
    else this.#last.after = link;
    this.#last = link;
    this.#size++;
    return link;
  }

  /** Takes out a link that is in it: once. */
  remove(link: Link<T>): void {
    const { before, after } = link;
    if (before === undefined) this.first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    // Who keeps what was taken out does not keep all that came after it.
    link.before = undefined;
    link.after = undefined;
    this.#size--;
  }

  *[Symbol.iterator](): Generator<T, void> {
    for (let link = this.first; link !== undefined; link = link.after) yield link.value;
  }
}
