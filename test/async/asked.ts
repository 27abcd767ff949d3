import type { AsyncContext, AsyncMapOptions, Stream } from '../../src/index.js';

/** Calls that the test answers. */
export class Asked {
  readonly calls: { readonly element: number; readonly ctx: AsyncContext }[] = [];
  readonly #answers = new Map<number, PromiseWithResolvers<string>>();

  readonly ask = (element: number, ctx: AsyncContext): Promise<string> => {
    this.calls.push({ element, ctx });
    const answer = withResolvers<string>();
    this.#answers.set(element, answer);
    return answer.promise;
  };

  answer(...elements: readonly number[]): void {
    for (const element of elements) this.#answers.get(element)?.resolve(`#${element}`);
  }

  refuse(element: number, error: unknown = new Error(`not ${element}`)): void {
    this.#answers.get(element)?.reject(error);
  }

  get elements(): readonly number[] {
    return this.calls.map(({ element }) => element);
  }
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** Node 20 has none. */
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

export const asking =
  (asked: Asked, options: AsyncMapOptions<number, string> = {}) =>
  (numbers: Stream<number>) =>
    numbers.asyncMap('ask', asked.ask, options);

/** Turns of the event loop: enough for answers that are there. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
