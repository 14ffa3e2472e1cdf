/**
 * Which names a service imports from the SDK, read from its text: the kernel evaluates only the libraries that have one of
 * them. The engine links what is imported whatever this says; a name that it overlooked would be there and undefined, so
 * everything but the ordinary form of an import counts as an import of all.
 */

export const SDK_MODULES: ReadonlySet<string> = new Set(['@vela/guest-sdk', 'cloudflare:workers'])
/** As guest-sdk/kernel/libraries.ts has it. */
export const EVERY_NAME = '*'

/** White space and comments that are skipped before it is called out of the ordinary (characters). */
const MOST_SKIPPED = 1000
/** Names of one import, with what stands between them (characters). */
const MOST_NAMES = 4000

/**
 * The names, joined by commas; `*`: any. An import's specifier is a string literal after the word `from`, which cannot be
 * written otherwise; strings and comments that look so may add names, but hide none.
 */
export function sdkImports(source: string): string {
  const names: string[] = []
  for (let at = source.indexOf('from'); at >= 0; at = source.indexOf('from', at + 4)) {
    const open = skipBlank(source, at + 4)
    if (open === undefined) return EVERY_NAME
    const quote = source[open]
    if (quote !== '"' && quote !== "'") continue
    const close = source.indexOf(quote, open + 1)
    const specifier = source.slice(open + 1, Math.min(close < 0 ? open : close, open + MOST_SKIPPED))
    // What it says once its escapes are read.
    if (specifier.includes('\\')) return EVERY_NAME
    if (!SDK_MODULES.has(specifier)) continue
    const found = namesBefore(source, at)
    if (found === undefined) return EVERY_NAME
    names.push(...found)
  }
  return [...new Set(names)].join(',')
}

/** The text of the SDK's module for one service. Both lists are of words, so the text needs no escaping. */
export const sdkModule = (names: string, wanted: string): string =>
  `import{sdk}from'vela:bridge';export const{${names}}=sdk('${wanted}')`

/** Where white space and comments from there on end; undefined: too far away. */
function skipBlank(source: string, from: number): number | undefined {
  const text = source.slice(from, from + MOST_SKIPPED)
  const blank = BLANK.exec(text)?.[0].length ?? 0
  // A comment that is cut off, or the whole of what was looked at.
  if (blank === text.length && text.length === MOST_SKIPPED) return undefined
  return text.startsWith('/*', blank) ? undefined : from + blank
}

const BLANK = /^(?:\s|\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\/|\/\/[^\n\r\u2028\u2029]*)*/

/** The names in the braces of `import {…} from`; undefined if it does not look so. */
function namesBefore(source: string, from: number): readonly string[] | undefined {
  const text = source.slice(Math.max(0, from - MOST_NAMES), from)
  const open = text.lastIndexOf('{')
  const clause = /^\{([\w$\s,]*)\}\s*$/.exec(text.slice(open))?.[1]
  if (open < 0 || clause === undefined) return undefined
  if (!/(?:^|[^\w$.])(?:import|export)\s*$/.test(text.slice(Math.max(0, open - 40), open))) return undefined
  return clause
    .split(',')
    .map((item) => item.trim().split(/\s/, 1)[0] as string)
    .filter((name) => name !== '')
}
