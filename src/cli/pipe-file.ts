/** Sends a finished archive to stdout and removes it. */
import { rmSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { TidemarkError, toTidemarkError } from '../base/errors.js';
import { EXIT_NO_READER } from './exit.js';
import type { Printer } from './printer.js';

const CHUNK = 1024 * 1024;

/**
 * `keep`: what did not go out whole stays, and the user is told where; else it is removed whatever happens. A reader
 * that has gone ends the process (main.ts), so that is told, or removed, when the process exits.
 */
export async function pipeFile(printer: Printer, path: string, keep: boolean): Promise<void> {
  const leave = () => {
    if (keep) printer.warn(`not all of the archive went out; it is kept: ${path}`);
    else rmSync(path, { force: true });
  };
  process.once('exit', leave);
  const exitCode = process.exitCode;
  process.exitCode = EXIT_NO_READER;
  try {
    await copy(printer, path);
    await rm(path, { force: true });
  } catch (error) {
    if (!keep) await rm(path, { force: true });
    const { code, message, details } = toTidemarkError(error, 'writing the archive to stdout');
    throw new TidemarkError(code, message, keep ? { ...details, hint: `it is kept: ${path}` } : details);
  } finally {
    process.exitCode = exitCode;
    process.removeListener('exit', leave);
  }
}

async function copy(printer: Printer, path: string): Promise<void> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw new TidemarkError('FILE_NOT_FOUND', `the archive ${path} is gone`, { cause: error });
  });
  try {
    const { size } = await file.stat();
    const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK, size));
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) throw new TidemarkError('ARCHIVE_CORRUPT', `${path} has become shorter`);
      await printer.data(chunk.subarray(0, bytesRead));
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}
