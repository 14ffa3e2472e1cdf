/**
 * Tokens: the names of what a container gives. A token is an identity, as a symbol is; what can be injected is a token, or one
 * with a word on how (`optional`, `lazy`). A binding is a token that `env` provides.
 */
export interface Injectable {
  readonly token: Token
  readonly how: 'value' | 'optional' | 'lazy'
}

export interface BindingName {
  readonly name: string
  readonly deadlineMs: number | undefined
}

export class Token implements Injectable {
  readonly how = 'value'
  readonly name: string
  readonly key: symbol
  /** It is what `env` has under that name, unless somebody provides it. */
  readonly bound: BindingName | undefined
  constructor(name: string, bound?: BindingName) {
    this.name = name
    this.key = Symbol(name)
    this.bound = bound && Object.freeze(bound)
    Object.freeze(this)
  }
  get token(): this {
    return this
  }
}

class How implements Injectable {
  readonly token: Token
  readonly how: 'optional' | 'lazy'
  constructor(token: Token, how: 'optional' | 'lazy') {
    this.token = token
    this.how = how
    Object.freeze(this)
  }
}

const MOST_CHARACTERS = 200
const LONGEST_MS = 86_400_000

export function token(name: unknown): Token {
  return new Token(checkName('token', name))
}

/** The same for the same name and deadline, so that it can be overridden by its name. */
export function createBindings(): (name: unknown, options?: unknown) => Token {
  const known = new Map<string, Token>()
  return (given, options = undefined) => {
    const name = checkName('binding', given)
    const { deadlineMs } = (options ?? {}) as { deadlineMs?: unknown }
    const isTime = typeof deadlineMs === 'number' && deadlineMs > 0 && deadlineMs <= LONGEST_MS
    if (deadlineMs !== undefined && !isTime)
      throw new RangeError(`binding(${name}): deadlineMs is a number of milliseconds, at most a day`)
    const key = `${String(deadlineMs)} ${name}`
    let found = known.get(key)
    if (found === undefined) known.set(key, (found = new Token(name, { name, deadlineMs })))
    return found
  }
}

export const optional = (of: unknown): Injectable => new How(checkToken('optional', of), 'optional')
export const lazy = (of: unknown): Injectable => new How(checkToken('lazy', of), 'lazy')

export function checkToken(where: string, value: unknown): Token {
  if (value instanceof Token) return value
  throw new TypeError(`${where}: a token is needed, as token('name') or binding('NAME') makes it`)
}

/** `where` says whose list it is. */
export function checkInjectables(where: string, value: unknown): readonly Injectable[] {
  if (!Array.isArray(value)) throw new TypeError(`${where}: a list of tokens is needed`)
  return Array.from(value as unknown[], (item) => checkInjectable(where, item))
}

export function checkInjectable(where: string, value: unknown): Injectable {
  return value instanceof How ? value : checkToken(where, value)
}

function checkName(what: string, name: unknown): string {
  if (typeof name === 'string' && name !== '' && name.length <= MOST_CHARACTERS) return name
  throw new TypeError(`${what}: a name of 1 to ${MOST_CHARACTERS} characters is needed`)
}
