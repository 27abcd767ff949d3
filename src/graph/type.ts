declare const carried: unique symbol;

/** Carries a type and nothing else: what an operator emits, or a side output takes. */
export interface TypeTag<T> {
  readonly [carried]?: T;
}

/** Names a type where no value can: `emits: type<{ word: string }>()`. */
export function type<T>(): TypeTag<T> {
  return {};
}
