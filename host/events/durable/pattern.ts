/** A pattern as a function, for logs that try one pattern on many subjects: most patterns need no look at tokens. */
import { matches } from '../../../guest-sdk/events/subject.ts'

/** `pattern`: checked. */
export function createMatch(pattern: string): (subject: string) => boolean {
  if (pattern === '>') return () => true
  const isWild = pattern.includes('*')
  if (!isWild && !pattern.endsWith('>')) return (subject) => subject === pattern
  if (isWild) return (subject) => matches(pattern, subject)
  const prefix = pattern.slice(0, -1)
  return (subject) => subject.startsWith(prefix)
}
