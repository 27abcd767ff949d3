declare const carried: unique symbol;

/** Carries a type and nothing else: what an operator emits, or a side output takes. */
export interface TypeTag<T> {
  readonly [carried]?: T;
}

/**
 * Names a type where no value can: what an operator emits, or a side output takes.
 * @example
 * emits: type<{ word: string; seen: number }>(),
 * sides: { rare: type<string>() },
 */
export function type<T>(): TypeTag<T> {
  return {};
}
