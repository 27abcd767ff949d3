/**
 * Where all random choices of the tests begin: the same in every run, so that a run that passes would pass again.
 * `TIDEMARK_TEST_SEED=n` searches elsewhere; `TIDEMARK_TEST_SEED=random npm test` draws n, and says it.
 */
const given = process.env['TIDEMARK_TEST_SEED'] ?? '1';

export const SEED = Number(given);

if (!Number.isInteger(SEED)) throw new Error(`TIDEMARK_TEST_SEED is '${given}', which is no whole number`);
