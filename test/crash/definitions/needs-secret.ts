// Needs a secret from the environment each time it starts.
import { defineJob, fileSink, param, sequence } from 'tidemark';

export default defineJob(
  'needs-secret',
  { params: { token: param.secret('TIDEMARK_TEST_TOKEN'), output: param.string() } },
  (job, p) => {
    job
      .source('numbers', sequence({ count: 3_000, rate: 2_000 }))
      .filter((n) => p.token.length > 0 && n >= 0)
      .sink('out', fileSink(p.output));
  },
);
