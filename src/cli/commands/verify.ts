/** `tidemark verify <file>` */
import { ArchiveDamaged, type Finding } from '../../archive/finding.js';
import { fingerprintOf, requireSignature } from '../../archive/sign.js';
import { verifyArchive } from '../../archive/verify.js';
import { EXIT, TidemarkError } from '../../base/errors.js';
import { realDisk } from '../../base/real-disk.js';
import { formatBytes } from '../../base/size.js';
import type { Context, Given } from '../context.js';
import { trustedKeys } from '../keys.js';
import { printable } from '../printer.js';
import { archiveOperand } from '../snapshot-operand.js';
import { table } from '../table.js';
import { count, counted } from '../text.js';

const COLUMNS = [
  { title: 'FINDING' },
  { title: 'MEMBER' },
  { title: 'BYTE', right: true },
  { title: 'WHAT' },
];

export async function run(given: Given, { printer, cwd }: Context): Promise<number> {
  const hint = (job: string) => `tidemark snapshots ${job} lists its archives`;
  const path = archiveOperand(given.operands[0] ?? '', cwd, hint);
  const wheel = await printer.spinner(`verifying ${path}`);
  const onProgress = ({ entries, bytes }: { readonly entries: number; readonly bytes: number }) =>
    wheel.say(`verifying ${path}: ${count(entries)} entries, ${formatBytes(bytes)}`);
  const keys = trustedKeys(given, { cwd });
  const { ok, findings, signature } = await verifyArchive(realDisk, path, { onProgress }).finally(() =>
    wheel.stop(),
  );
  const signer = signature === undefined ? {} : { signedBy: fingerprintOf(signature.publicKey) };
  if (printer.json) await printer.document({ ok, findings, ...signer });
  else if (!ok) await printer.data(table(COLUMNS, findings.map(cells)));
  if (!ok) throw refusal(path, findings);
  requireSignature({ path, signature }, keys);
  const by = signer.signedBy === undefined ? '' : `, signed by ${signer.signedBy}`;
  if (!printer.json) printer.note(`${path} is whole${by}`);
  return EXIT.done;
}

function cells({ code, member, offset, message }: Finding): readonly string[] {
  return [code, member === '' ? '-' : printable(member), count(offset), printable(message)];
}

/** So that the exit code says it as well: 7, or 6 for what a newer tidemark has written, or another hand. */
function refusal(path: string, findings: readonly Finding[]): TidemarkError {
  const newer = findings.find(({ code }) => code === 'FORMAT_NEWER');
  if (newer !== undefined) {
    return new TidemarkError('FORMAT_NEWER', `${path}: ${newer.message}`, {
      hint: 'use the tidemark that wrote it, or a newer one',
    });
  }
  const [signature] = findings.every(({ code }) => code === 'SIGNATURE') ? findings : [];
  if (signature !== undefined) return new ArchiveDamaged(path, signature);
  return new TidemarkError('ARCHIVE_CORRUPT', `${path} is damaged: ${counted(findings.length, 'finding')}`, {
    hint: 'restore another snapshot; those taken here: tidemark snapshots',
  });
}
