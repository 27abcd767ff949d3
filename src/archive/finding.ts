/** What is wrong with an archive: one thing, in one place. */
import { TidemarkError } from '../base/errors.js';

/** Kinds of findings; `verify --json` prints them. Never renamed. */
export const FINDING_CODES = [
  'TRUNCATED',
  'TRAILING',
  'TAR_HEADER',
  'TAR_PADDING',
  'MEMBER_NAME',
  'MEMBER_EXTRA',
  'MEMBER_MISSING',
  'MEMBER_ORDER',
  'MEMBER_SIZE',
  'MEMBER_HASH',
  'FORMAT_NEWER',
  'MANIFEST',
  'PROVENANCE',
  'SUMS',
  'SIGNATURE',
  'DIRECTORY',
  'LIST',
  'BLOCK',
  'ENTRY',
  'ORDER',
  'KEY',
  'VALUE',
  'COUNT',
  'LEAF',
  'DIGEST',
  'SEGMENT',
] as const;

export type FindingCode = (typeof FINDING_CODES)[number];

export interface Finding {
  readonly code: FindingCode;
  /** The member's name; empty for the file as a whole. */
  readonly member: string;
  /** Within the file. */
  readonly offset: number;
  readonly message: string;
}

/** A finding, thrown where reading cannot go on. */
export class ArchiveDamaged extends TidemarkError {
  readonly finding: Finding;

  constructor(path: string, finding: Finding) {
    const { code, member, offset, message } = finding;
    const where = member === '' ? '' : ` in ${member}`;
    if (code === 'FORMAT_NEWER') {
      super('FORMAT_NEWER', `${path}: ${message}`, {
        hint: 'use the tidemark that wrote it, or a newer one',
      });
    } else if (code === 'SIGNATURE') {
      super('SIGNATURE_REFUSED', `${path} has a bad signature: ${message}`, {
        hint: `it was changed after it was signed: get it anew from whoever made it; tidemark verify ${path} tells more`,
      });
    } else {
      super('ARCHIVE_CORRUPT', `${path} is damaged${where} at byte ${offset}: ${message}`, {
        hint: `look at all that is wrong with it: tidemark verify ${path}`,
      });
    }
    this.finding = finding;
  }
}
