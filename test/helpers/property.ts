/** The one place that imports fast-check: every property begins at the seed of the tests, where it names none itself. */
import fc from 'fast-check';
import { SEED } from './seed.js';

fc.configureGlobal({ seed: SEED });

export default fc;
