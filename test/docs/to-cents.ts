// For `tidemark rewrite --map`: balances were kept in euros, the next version of the job keeps cents. What is closed goes.
interface Account {
  readonly euros: number;
  readonly closed?: boolean;
}

export default ({ value }: { readonly value: Account }) =>
  value.closed === true ? undefined : { cents: Math.round(value.euros * 100) };
