/** Parameters of a definition: typed, with defaults; secrets come from the environment and are never recorded. */
import { TidemarkError } from '../base/errors.js';

export type ParamKind = 'string' | 'number' | 'boolean' | 'secret';

export interface ParamDeclaration<T = unknown> {
  readonly kind: ParamKind;
  readonly fallback: T | undefined;
  /** The environment variable a secret comes from; its own name in capitals when absent. */
  readonly env: string | undefined;
  readonly carried?: T;
}

export type ParamDeclarations = { readonly [name: string]: ParamDeclaration };
export type ParamValues<P> = { readonly [N in keyof P]: P[N] extends ParamDeclaration<infer T> ? T : never };

/**
 * Declares parameters of a definition. Given by `--param name=value`, else the default; one without either is an
 * error that names it. A secret comes from the environment only, and is never recorded.
 * @example
 * defineJob('counts', {
 *   params: {
 *     input: param.string(),
 *     limit: param.number(10),
 *     strict: param.boolean(false),
 *     apiToken: param.secret(), // from $API_TOKEN
 *     password: param.secret('DB_PASSWORD'),
 *   },
 * }, (job, p) => { … })
 */
export const param = {
  string: (fallback?: string): ParamDeclaration<string> => ({ kind: 'string', fallback, env: undefined }),
  number: (fallback?: number): ParamDeclaration<number> => ({ kind: 'number', fallback, env: undefined }),
  boolean: (fallback?: boolean): ParamDeclaration<boolean> => ({ kind: 'boolean', fallback, env: undefined }),
  secret: (env?: string): ParamDeclaration<string> => ({ kind: 'secret', fallback: undefined, env }),
};

/** The text of a parameter as given by a flag; `recorded` omits secrets. Flag over default. */
export function resolveParams(
  declarations: ParamDeclarations,
  given: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, unknown>> {
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(declarations, name));
  if (unknown.length > 0) {
    const known = Object.keys(declarations).join(', ') || 'none';
    throw new TidemarkError(
      'PARAM_UNKNOWN',
      `no parameter ${unknown.join(', ')}; the definition declares: ${known}`,
      {
        hint: 'check the spelling of --param NAME=VALUE, or run: tidemark plan <definition>',
      },
    );
  }
  const values: Record<string, unknown> = {};
  for (const [name, declaration] of Object.entries(declarations)) {
    values[name] = resolveOne(name, declaration, given, environment);
  }
  return values;
}

/** The environment variable that a secret comes from. */
export function secretVariable(name: string, declaration: ParamDeclaration): string {
  return declaration.env ?? name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase();
}

function resolveOne(
  name: string,
  declaration: ParamDeclaration,
  given: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string | undefined>>,
): unknown {
  if (declaration.kind === 'secret') {
    const variable = secretVariable(name, declaration);
    if (Object.hasOwn(given, name)) {
      throw new TidemarkError(
        'PARAM_INVALID',
        `parameter ${name} is a secret and cannot be given as a flag`,
        {
          hint: `set the environment variable ${variable} instead`,
        },
      );
    }
    const secret = environment[variable];
    if (secret !== undefined) return secret;
    throw new TidemarkError('PARAM_MISSING', `secret ${name} is missing`, {
      hint: `set the environment variable ${variable}`,
    });
  }
  const text = given[name];
  if (text !== undefined) return parseParam(name, declaration.kind, text);
  if (declaration.fallback !== undefined) return declaration.fallback;
  throw new TidemarkError('PARAM_MISSING', `parameter ${name} (${declaration.kind}) is missing`, {
    hint: `add --param ${name}=…`,
  });
}

function parseParam(name: string, kind: Exclude<ParamKind, 'secret'>, text: string): unknown {
  if (kind === 'string') return text;
  if (kind === 'number' && text.trim() !== '' && Number.isFinite(Number(text))) return Number(text);
  if (kind === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  throw new TidemarkError('PARAM_INVALID', `parameter ${name} is a ${kind}, found ${JSON.stringify(text)}`, {
    hint: `give --param ${name}=${kind === 'number' ? '10' : 'true'}`,
  });
}
