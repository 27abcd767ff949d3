import { execFile } from 'node:child_process';
import { dirname } from 'node:path';

const GIT_TIMEOUT_MS = 2000;

/** As {@link gitCommitOf}, for a job whose definition is this file. */
export async function frozenCommit(definition: string): Promise<{ readonly gitCommit?: string }> {
  const gitCommit = await gitCommitOf(dirname(definition));
  return gitCommit === null ? {} : { gitCommit };
}

/** The commit checked out in a folder, in hex; null without git, a repository or an answer in time. */
export function gitCommitOf(folder: string): Promise<string | null> {
  return new Promise((resolve) => {
    execFile('git', ['-C', folder, 'rev-parse', 'HEAD'], { timeout: GIT_TIMEOUT_MS }, (error, stdout) => {
      const commit = stdout.trim();
      resolve(error === null && /^[0-9a-f]{40,64}$/.test(commit) ? commit : null);
    });
  });
}
