/**
 * No cast in any fixture: what people write their jobs after says nothing that the compiler has to believe. Found are `as`
 * (but for `as const`), `<T>value`, `value!`, `any`, and comments that silence the compiler or the linter.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, test } from 'node:test';

// Compiled tests lie in dist/test.
const PROJECT = resolve(import.meta.dirname, '../..');

const SILENCED = /@ts-(?:ignore|expect-error|nocheck)|biome-ignore/;
/** Words after which an expression begins. */
const BEFORE_EXPRESSION = new Set(
  'return typeof instanceof in of new delete void await yield case throw else do extends keyof'.split(' '),
);

/** Comments, strings (a template as one with what is between `${}` after it), regular expressions, words, signs. */
const TOKEN =
  /(?<comment>\/\/.*|\/\*[\s\S]*?\*\/)|(?<text>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|(?<word>[\p{ID_Start}$_][\p{ID_Continue}$]*|\d[\w.]*)|(?<sign>=>|<<|[!=]==?|\?\?=?|\?\.|&&|\|\||\S)/gu;
const REGEX = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])+\/[a-z]*/uy;

interface Token {
  readonly text: string;
  readonly at: number;
  /** Whether a value may end here, so that what follows continues it. */
  readonly ends: boolean;
}

interface Read {
  readonly tokens: readonly Token[];
  readonly comments: readonly Token[];
}

function read(text: string): Read {
  const tokens: Token[] = [];
  const comments: Token[] = [];
  /** How many braces are open within each `${}`. */
  const templates: number[] = [];
  let at = 0;
  const add = (piece: string, ends: boolean) => {
    tokens.push({ text: piece, at, ends });
    at += piece.length;
  };
  const template = () => {
    const [piece = ''] = /^(?:\\[\s\S]|\$(?!\{)|[^`\\$])*(?:`|\$\{)/.exec(text.slice(at + 1)) ?? [];
    const goesOn = piece.endsWith('${');
    add(text[at] + piece, !goesOn);
    if (goesOn) templates.push(0);
  };
  while (at < text.length) {
    TOKEN.lastIndex = at;
    const { groups, index } = TOKEN.exec(text) ?? { index: text.length };
    at = index;
    if (groups === undefined) break;
    const { comment, text: quoted, word, sign = '' } = groups;
    if (comment !== undefined) {
      comments.push({ text: comment, at, ends: false });
      at += comment.length;
    } else if (quoted !== undefined) add(quoted, true);
    else if (word !== undefined) add(word, !BEFORE_EXPRESSION.has(word));
    else if (sign === '`') template();
    else if (sign === '}' && templates.at(-1) === 0) {
      templates.pop();
      template();
    } else if (sign === '/' && tokens.at(-1)?.ends !== true) {
      REGEX.lastIndex = at;
      add(REGEX.exec(text)?.[0] ?? sign, true);
    } else {
      const depth = templates.length - 1;
      const open = templates[depth];
      if (open !== undefined) templates[depth] = open + (sign === '{' ? 1 : sign === '}' ? -1 : 0);
      add(sign, sign === ')' || sign === ']' || sign === '}');
    }
  }
  return { tokens, comments };
}

/** The place behind the bracket that closes the one at `from`. */
function behind(tokens: readonly Token[], from: number, open: string, close: string): number {
  let depth = 0;
  for (let i = from; i < tokens.length; i++) {
    if (tokens[i]?.text === open) depth++;
    if (tokens[i]?.text === close && --depth === 0) return i + 1;
  }
  return tokens.length;
}

/** Whether `<…>` at `from` is of a function, `<T>(value: T) => …`, and not an assertion. */
function isGeneric(tokens: readonly Token[], from: number): boolean {
  const parameters = behind(tokens, from, '<', '>');
  if (tokens[parameters]?.text !== '(') return false;
  const next = tokens[behind(tokens, parameters, '(', ')')]?.text;
  return next === '=>' || next === ':';
}

/** Whether the tokens from `from` on are those of an import, or of an export of names. */
function isNames(tokens: readonly Token[], from: number): boolean {
  const [first, second, third] = [0, 1, 2].map((n) => tokens[from + n]?.text);
  const then = second === 'type' ? third : second;
  return (first === 'import' && second !== '(') || (first === 'export' && (then === '{' || then === '*'));
}

/** What is wrong, with the line it stands in. */
function castsIn(source: string): readonly string[] {
  const { tokens, comments } = read(source);
  const found: { readonly at: number; readonly what: string }[] = comments
    .filter(({ text }) => SILENCED.test(text))
    .map(({ text, at }) => ({ at, what: SILENCED.exec(text)?.[0] ?? '' }));
  for (let i = 0; i < tokens.length; i++) {
    const { text = '', at = 0 } = tokens[i] ?? {};
    const [before, after] = [tokens[i - 1], tokens[i + 1]];
    const member = before?.text === '.' || before?.text === '?.';
    if (isNames(tokens, i) && !member) {
      while (i < tokens.length && tokens[i]?.text !== ';') i++;
    } else if (text === 'as' && !member && before?.ends === true && /^['"`\w$([{<]/.test(after?.text ?? '')) {
      if (after?.text !== 'const') found.push({ at, what: `as ${after?.text}` });
    } else if (text === 'any' && !(member && tokens[i - 2]?.text === 'Promise')) {
      found.push({ at, what: 'any' });
    } else if (text === '!' && before?.ends === true && before.text !== '}') {
      found.push({ at, what: `${before.text}!` });
    } else if (text === '<' && before?.ends !== true && !isGeneric(tokens, i)) {
      found.push({ at, what: `<${after?.text}>` });
    }
  }
  return found
    .sort((a, b) => a.at - b.at)
    .map(({ at, what }) => `${source.slice(0, at).split('\n').length}: ${what}`);
}

describe('no cast in any fixture', () => {
  const folder = join(PROJECT, 'fixtures');
  const files = readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.[cm]?ts$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));

  test('of what lies in fixtures', () => {
    assert.ok(files.length > 40);
    const found = files.flatMap((file) =>
      castsIn(readFileSync(file, 'utf8')).map((what) => `${relative(PROJECT, file)}:${what}`),
    );
    assert.deepEqual(found, []);
  });

  test('what would be one is found', () => {
    const found: Readonly<Record<string, readonly string[]>> = {
      'const a = b as Flight;': ['1: as Flight'],
      'const a = b() as unknown as Flight;': ['1: as unknown', '1: as Flight'],
      'const a = (\n  b as { readonly c: number }\n);': ['2: as {'],
      'const a = [b as never, `${c as string}${{ d: e as f }}`];': ['1: as never', '1: as string', '1: as f'],
      'const a = b\n  as Flight;': ['2: as Flight'],
      'const a = <Flight>b;': ['1: <Flight>'],
      'f(<Flight>(b));': ['1: <Flight>'],
      'return <Flight[]>b;': ['1: <Flight>'],
      'const a = b!;': ['1: b!'],
      'const a = b[0]!.c;': ['1: ]!'],
      'f(b()!, c);': ['1: )!'],
      'class A { b!: string }': ['1: b!'],
      'const a: any = b;': ['1: any'],
      'const a: readonly any[] = z.any();': ['1: any', '1: any'],
      'const a = new Map<string, any>();': ['1: any'],
      '// @ts-ignore\n/* @ts-expect-error because */\n// biome-ignore lint: why': [
        '1: @ts-ignore',
        '2: @ts-expect-error',
        '3: biome-ignore',
      ],
    };
    for (const [source, casts] of Object.entries(found)) assert.deepEqual(castsIn(source), casts, source);
  });

  test('what is none is not', () => {
    for (const source of [
      "import * as v from 'valibot';\nimport { a as b, type C as D } from './a.js';",
      "export { a as b };\nexport type { C as D } from './a.js';\nexport * as e from './e.js';",
      'const KINDS = [1, 2] as const;',
      "const a = 'b as c'; // d as e, any!\n/* f as g */",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the source of one
      'const a = `b as c ${d} as e ${{ f: `any` }.f}!`;',
      'const a = /b as c!/u.test(d) && /[/"]/.test(e) ? f / g / h : i;',
      'if (!a && b !== c && !d(e) && f != g) return !h;',
      'const a = <T>(b: T): T => b;\nconst c = <K, V = unknown>(d: Map<K, V>) => d;',
      'type Way = <T>(a: T) => T;\ninterface B {\n  <T>(c: T): T;\n}',
      'const a = 1 << b;\nconst a = b < c && new Map<string, number>().size > d<Flight>(e);',
      'const a = { as: 1 };\na.as = b.as;\nawait Promise.any(c);',
      'function f<T>(a: T) {\n  return a;\n}\n!b();',
    ])
      assert.deepEqual(castsIn(source), [], source);
  });
});
