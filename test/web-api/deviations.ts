/**
 * Where a guest differs from the specifications, on purpose or for now, and what that means for a program. A row that
 * fails and is not named here makes the test red, and so does one that is named here and does not fail.
 */
import type { EngineName } from '../engines.ts'

export interface Deviation {
  readonly title: string
  /** For a program. */
  readonly effect: string
  /** The engines that deviate; all when it is left out. */
  readonly engines?: readonly EngineName[]
  /** Rows of member tables as `Interface.row`, or `Interface` for all its rows; sentences of checks. */
  readonly rows: readonly string[]
}

export const DEVIATIONS: readonly Deviation[] = [
  {
    title: 'No WebAssembly',
    effect:
      'Libraries that need it do not run. Its memory is outside the limits of an isolate, and its compilers are what ' +
      'attackers of an engine use most.',
    rows: ['WebAssembly'],
  },
  {
    title: '`isTrusted` is on the prototype of Event',
    effect:
      'None for who reads it; only `Object.hasOwn(event, "isTrusted")` tells. It spares every event a property.',
    rows: ['Event.isTrusted'],
  },
  {
    title: 'Rare characters of Big5 and EUC-KR',
    effect:
      'Legacy encodings are decoded with the tables of ICU, which lack what the web added: the Hong Kong characters of ' +
      'Big5 and those that windows-949 has beyond EUC-KR.',
    rows: [
      'TextDecoder: euc-kr has the characters of windows-949',
      'TextDecoder: big5 has the characters of Hong Kong',
      'TextDecoder: big5 gives two code points where Unicode needs two',
    ],
  },
  {
    title: 'A Proxy is cloned',
    effect:
      '`structuredClone(proxy)` copies what the proxy shows instead of throwing: the language hides proxies.',
    rows: ['structuredClone: a Proxy is a DataCloneError'],
  },
  {
    title: 'Streams cannot be transferred',
    effect:
      '`structuredClone` and `postMessage` refuse them with a DataCloneError. There is no other thread to use them.',
    rows: ['structuredClone: transfer of a ReadableStream, WritableStream or TransformStream'],
  },
  {
    title: 'Unhandled rejections are told by copy, and late handling is not told',
    effect:
      'The engine reports a rejection without its promise: `event.reason` is an error of the same type, message and ' +
      'stack, `event.promise` another promise, and `rejectionhandled` never fires.',
    rows: [
      'onunhandledrejection: reason and promise are those that were rejected',
      'onrejectionhandled: hears of a rejection that is handled late',
    ],
  },
]

/** Differences that no check shows, for the page. */
export const NOTES: readonly string[] = [
  'Rarely used classes are loaded when they are first touched; until then their globals are accessors.',
  'A `Date` and `performance.now()` stand still while code runs, and move on when the guest is entered again.',
  '`fetch` needs a grant; without it a valid request rejects with a TypeError whose `code` is `VELA_CAPABILITY_DENIED`.',
  'The header guard `request-no-cors` filters nothing, and forbidden header names are not forbidden: this is a server.',
]
