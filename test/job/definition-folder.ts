/** Definitions in a temporary folder outside the project, as users have them. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';

export interface DefinitionFolder {
  readonly root: string;
  /** Writes a file, making its folder, and returns its path. */
  write(path: string, text: string): string;
  path(path: string): string;
}

export function definitionFolder(context: TestContext, name = 'project'): DefinitionFolder {
  const made = realpathSync(mkdtempSync(join(tmpdir(), 'tidemark-test-')));
  context.after(() => rmSync(made, { recursive: true, force: true }));
  const root = join(made, name);
  mkdirSync(root);
  return {
    root,
    path: (path) => join(root, path),
    write(path, text) {
      const whole = join(root, path);
      mkdirSync(dirname(whole), { recursive: true });
      writeFileSync(whole, text);
      return whole;
    },
  };
}
