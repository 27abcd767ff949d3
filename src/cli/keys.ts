/** Key files that the command line names: whether they are what they should be is told before anything is done. */
import { resolve } from 'node:path';
import { type Signer, signerOf, type TrustedKey, trustedKeyOf } from '../archive/sign.js';
import { TidemarkError } from '../base/errors.js';
import { readKeyFile } from '../job/key-file.js';
import type { Context, Given } from './context.js';

export interface SigningKey {
  /** Absolute: the process of a job may have another working directory. */
  readonly path: string;
  readonly sign: Signer;
}

/** `--sign KEY.pem`. @throws FILE_NOT_FOUND, PERMISSION, USAGE for what is no private key of ed25519 */
export function signingKey(given: Given, { cwd }: Pick<Context, 'cwd'>): SigningKey | undefined {
  const file = given.text('sign');
  if (file === undefined) return undefined;
  const path = pathOf(file, '--sign', cwd);
  return { path, sign: signerOf(readKeyFile(path), `--sign ${file}`) };
}

/** `--require-signature PUB.pem`, as often as needed. @throws as above, for what is no public key */
export function trustedKeys(given: Given, { cwd }: Pick<Context, 'cwd'>): readonly TrustedKey[] {
  return given.list('require-signature').map((file) => {
    const path = pathOf(file, '--require-signature', cwd);
    return trustedKeyOf(readKeyFile(path), `--require-signature ${file}`);
  });
}

function pathOf(file: string, option: string, cwd: string): string {
  if (file !== '') return resolve(cwd, file);
  throw new TidemarkError('USAGE', `${option}: the name of a file is missing`, {
    hint: `as in ${option} ${option === '--sign' ? 'KEY.pem' : 'PUB.pem'}`,
  });
}
