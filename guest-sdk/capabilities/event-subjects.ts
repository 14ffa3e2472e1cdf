/**
 * Whether a binding has a subject, found out early, in the guest, so that the one call that is wrong says so. The host checks again and
 * decides. By captured intrinsics: a guest that patches strings must not make this loop.
 */
import { MAX_SUBJECT_CHARACTERS, checkSubject } from '../events/subject.ts'
import type { CapabilityKit } from '../kernel/capabilities.ts'
import { charCodeAt, indexOf, slice } from '../kernel/primordials.ts'

/** The subject, if it is one and one of the patterns has it. Throws VELA_EVENT_BAD_SUBJECT, VELA_CAPABILITY_DENIED. */
export type SubjectCheck = (patterns: readonly string[], subject: unknown) => string

const KNOWN_SUBJECTS = 256

export function createSubjectCheck(kit: Pick<CapabilityKit, 'createError'>): SubjectCheck {
  /** Subjects that were found right, by the grant's list, which is the same object for each turn. */
  const checked: { readonly patterns: readonly string[]; known: Record<string, true>; count: number }[] = []
  return (patterns, subject) => {
    let own = undefined as (typeof checked)[number] | undefined
    for (let index = 0; index < checked.length && own === undefined; index++)
      if (checked[index]?.patterns === patterns) own = checked[index]
    if (own === undefined) {
      own = { patterns, known: { __proto__: null } as never, count: 0 }
      checked[checked.length] = own
    }
    if (typeof subject === 'string' && own.known[subject] === true) return subject
    const right = checkedSubject(kit, patterns, subject)
    if (own.count++ === KNOWN_SUBJECTS) {
      own.known = { __proto__: null } as never
      own.count = 1
    }
    own.known[right] = true
    return right
  }
}

function checkedSubject(
  kit: Pick<CapabilityKit, 'createError'>,
  patterns: readonly string[],
  subject: unknown,
): string {
  const right = isPlain(subject) ? subject : wrongSubject(kit, subject)
  for (let index = 0; index < patterns.length; index++)
    if (isOneOf(patterns[index] as string, right)) return right
  const granted = patterns.length === 0 ? 'it may publish nothing' : `it may publish ${patterns.join(', ')}`
  throw kit.createError(
    'Error',
    `The binding does not have the subject ${right}; ${granted}`,
    'VELA_CAPABILITY_DENIED',
  )
}

/** It is none of the plain ones; says what is wrong with it. */
function wrongSubject(kit: Pick<CapabilityKit, 'createError'>, subject: unknown): never {
  let message = 'This is no subject'
  try {
    checkSubject(subject)
  } catch (thrown) {
    message = (thrown as Error).message
  }
  throw kit.createError('TypeError', message, 'VELA_EVENT_BAD_SUBJECT')
}

/** Whether it has the characters of a subject; of its tokens the host knows more. */
function isPlain(subject: unknown): subject is string {
  if (typeof subject !== 'string' || subject === '' || subject.length > MAX_SUBJECT_CHARACTERS) return false
  for (let index = 0; index < subject.length; index++) {
    const code = charCodeAt(subject, index)
    const isLetter = (code >= 97 && code <= 122) || (code >= 65 && code <= 90)
    if (!isLetter && !(code >= 48 && code <= 57) && code !== 45 && code !== 46 && code !== 95) return false
  }
  return true
}

/** By captured intrinsics, as `covers` of guest-sdk/events is not: a guest that patches strings must not make this loop. */
function isOneOf(pattern: string, subject: string): boolean {
  let at = 0
  let from = 0
  while (at <= pattern.length && from <= subject.length) {
    const wide = tokenAt(pattern, at)
    const token = tokenAt(subject, from)
    if (wide === '>') return true
    if (wide !== '*' && wide !== token) return false
    at += wide.length + 1
    from += token.length + 1
  }
  return at > pattern.length && from > subject.length
}

function tokenAt(text: string, from: number): string {
  const end = indexOf(text, '.', from)
  return slice(text, from, end === -1 ? text.length : end)
}
