/**
 * The grammar of subjects and patterns, NATS's: tokens joined by dots, `*` stands for one token, `>` at the end for one or more.
 * Narrower than NATS in what a token may hold, so that every subject is also safe within a NATS subject, an URL and a log line.
 */
import { EventError } from './event.ts'

export const MAX_SUBJECT_CHARACTERS = 200
const MAX_TOKENS = 16

const DOT = 46
const STAR = '*'
const REST = '>'

/** A name without wildcards. Throws EventError, VELA_EVENT_BAD_SUBJECT, that names the token. */
export function checkSubject(subject: unknown): string {
  return check(subject, 'subject', false)
}

/** A name that may have wildcards. Throws EventError, VELA_EVENT_BAD_SUBJECT, that names the token. */
export function checkPattern(pattern: unknown): string {
  return check(pattern, 'pattern', true)
}

/** Its tokens. */
export function tokensOf(subject: string): string[] {
  const tokens: string[] = []
  let from = 0
  for (let dot = subject.indexOf('.'); dot !== -1; dot = subject.indexOf('.', from)) {
    tokens.push(subject.slice(from, dot))
    from = dot + 1
  }
  tokens.push(subject.slice(from))
  return tokens
}

/** Whether a subject is one of a pattern's. */
export function matches(pattern: string, subject: string): boolean {
  return covers(pattern, subject)
}

/** Whether every subject of `inner` is one of `outer`'s. Both are patterns; a subject is a pattern too. */
export function covers(outer: string, inner: string): boolean {
  const wide = tokensOf(outer)
  const narrow = tokensOf(inner)
  for (let index = 0; index < wide.length; index++) {
    const token = wide[index]
    const other = narrow[index]
    if (other === undefined) return false
    if (token === REST) return true
    if (other === REST || (token !== STAR && token !== other)) return false
  }
  return wide.length === narrow.length
}

function check(text: unknown, what: string, mayBeWild: boolean): string {
  if (typeof text !== 'string')
    throw new EventError('VELA_EVENT_BAD_SUBJECT', `A ${what} is a string such as orders.placed`)
  if (text.length > MAX_SUBJECT_CHARACTERS)
    throw new EventError(
      'VELA_EVENT_BAD_SUBJECT',
      `The ${what} has ${text.length} characters; ${MAX_SUBJECT_CHARACTERS} are allowed`,
    )
  // Most are plain, and nothing is made for these.
  if (isPlain(text)) return text
  const tokens = tokensOf(text)
  const wrong = tokens.findIndex((token, index) => {
    if (mayBeWild && (token === STAR || (token === REST && index === tokens.length - 1))) return false
    return !isPlain(token) || token.includes('.')
  })
  if (wrong === -1 && tokens.length <= MAX_TOKENS) return text
  if (tokens.length > MAX_TOKENS)
    throw new EventError(
      'VELA_EVENT_BAD_SUBJECT',
      `The ${what} has ${tokens.length} tokens; ${MAX_TOKENS} are allowed`,
    )
  throw new EventError(
    'VELA_EVENT_BAD_SUBJECT',
    `Token ${wrong + 1} of the ${what} ${JSON.stringify(text)} ${describe(tokens[wrong] as string, mayBeWild)}`,
  )
}

/** Tokens of letters, digits, `-` and `_`, not too many of them. */
function isPlain(text: string): boolean {
  let tokens = 1
  let isEmpty = true
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === DOT) {
      if (isEmpty) return false
      isEmpty = true
      tokens++
    } else if (isTokenCharacter(code)) isEmpty = false
    else return false
  }
  return !isEmpty && tokens <= MAX_TOKENS
}

function isTokenCharacter(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 48 && code <= 57) ||
    code === 95 ||
    code === 45
  )
}

function describe(token: string, mayBeWild: boolean): string {
  if (token === '') return 'is empty'
  const shown = JSON.stringify(token)
  if (token === STAR || token === REST)
    return mayBeWild
      ? `is ${shown}, which stands only at the end`
      : `is ${shown}; only patterns have wildcards`
  return `is ${shown}; a token has letters, digits, - and _`
}
