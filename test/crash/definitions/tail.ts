// Every line of a log that somebody else writes and rotates, as it grows.
import { defineJob, fileSink, files, param } from 'tidemark';

export default defineJob(
  'tail',
  { params: { log: param.string(), output: param.string() }, checkpoint: { interval: '100ms' } },
  (job, p) => {
    job.source('lines', files(p.log, { follow: true, pollInterval: '20ms' })).sink('out', fileSink(p.output));
  },
);
