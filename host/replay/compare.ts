/**
 * Compares what a cell said with what it said when it was recorded: frame by frame, byte by byte. Three things are not
 * functions of the frames and are left out: CPU time (`a` of OUTPUT, `b` of DONE), V8's code caches (they hold the
 * process's hash seed), and how far an entry came before it was killed, which shows in its log lines; and whether the
 * engine's timer blames the guest or the machine. An entry that was starved when it was recorded is not played at all.
 */
import { FROM_CELL, TO_CELL, type Fault, type FaultReason, type Frame } from '../../sandbox/protocol/frame.ts'
import { textOf } from '../../sandbox/protocol/frame-writer.ts'

/** A frame as a report shows it. */
export interface FrameView {
  readonly kind: string
  readonly guest: number
  readonly a: number
  readonly b: number
  readonly bytes: number
  /** What it carries, around the first difference. */
  readonly text: string
}

export interface Difference {
  /** Place of the frame in the answer. */
  readonly frame: number
  /** Undefined: there is no such frame. */
  readonly expected: FrameView | undefined
  readonly actual: FrameView | undefined
}

/** A frame, or the log lines of a killed entry with the fault that ended it. */
interface Unit {
  readonly frame: Frame
  readonly at: number
  readonly lines: readonly Frame[]
}

const KILLED: ReadonlySet<string> = new Set<FaultReason>([
  'exceeded-cpu',
  'exceeded-memory',
  'exceeded-output',
  'starved',
  'start-timeout',
])
const BY_TIMER: ReadonlySet<string> = new Set<FaultReason>(['exceeded-cpu', 'starved', 'start-timeout'])

/** The first difference, or undefined. With `prefix`, `actual` may go on after `expected` ends. */
export function compareAnswers(
  expected: readonly Frame[],
  actual: readonly Frame[],
  { prefix = false }: { prefix?: boolean } = {},
): Difference | undefined {
  const left = unitsOf(expected).filter(({ frame }) => !isStarved(faultOf(frame)))
  const right = unitsOf(actual)
  const count = prefix ? left.length : Math.max(left.length, right.length)
  for (let index = 0; index < count; index++) {
    const one = left[index]
    const other = right[index]
    if (one !== undefined && other !== undefined && areEqual(one, other)) continue
    const at = firstDifference(one?.frame, other?.frame)
    return {
      frame: one?.at ?? other?.at ?? 0,
      expected: one === undefined ? undefined : viewOf(one.frame, at),
      actual: other === undefined ? undefined : viewOf(other.frame, at),
    }
  }
  return undefined
}

/** The fault that a frame tells of; undefined when it is none or makes no sense. */
export function faultOf(frame: Frame): Fault | undefined {
  if (frame.kind !== FROM_CELL.fault) return undefined
  try {
    const fault = JSON.parse(textOf(frame.flags, frame.payload)) as Partial<Fault> | null
    return typeof fault?.reason === 'string' && typeof fault.message === 'string'
      ? (fault as Fault)
      : undefined
  } catch {
    return undefined
  }
}

export const isKill = (fault: Fault | undefined): boolean => fault !== undefined && KILLED.has(fault.reason)
/** The machine ended it: it is not played again (prepare.ts). */
export const isStarved = (fault: Fault | undefined): boolean => fault?.reason === 'starved'
export const isByTimer = (fault: Fault | undefined): boolean =>
  fault !== undefined && BY_TIMER.has(fault.reason)

function unitsOf(frames: readonly Frame[]): Unit[] {
  const units: Unit[] = []
  const held: Unit[] = []
  // One by one: a million arguments are more than a stack holds.
  const release = (): void => {
    for (const unit of held.splice(0)) units.push(unit)
  }
  for (const [at, frame] of frames.entries()) {
    const isLine = frame.kind === FROM_CELL.log
    const goesOn = held[0] === undefined || held[0].frame.guest === frame.guest
    if (isLine && goesOn) held.push({ frame, at, lines: [] })
    else if (isLine) {
      release()
      held.push({ frame, at, lines: [] })
    } else {
      const ends = goesOn && isKill(faultOf(frame))
      const lines = ends ? held.splice(0).map((unit) => unit.frame) : []
      release()
      units.push({ frame, at, lines })
    }
  }
  release()
  return units
}

function areEqual(one: Unit, other: Unit): boolean {
  const { frame } = one
  if (frame.kind !== other.frame.kind || frame.guest !== other.frame.guest) return false
  if (frame.kind === FROM_CELL.cache) return true
  if (frame.kind === FROM_CELL.done) return frame.a === other.frame.a
  if (frame.kind === FROM_CELL.fault && isByTimer(faultOf(frame)) && isByTimer(faultOf(other.frame))) {
    return isPrefix(one.lines, other.lines)
  }
  if (frame.kind !== FROM_CELL.output && frame.a !== other.frame.a) return false
  return (
    frame.flags === other.frame.flags &&
    frame.b === other.frame.b &&
    frame.payload.equals(other.frame.payload) &&
    isPrefix(one.lines, other.lines)
  )
}

/** Whichever entry came further said the same and more. A line with a count says how many were dropped. */
function isPrefix(one: readonly Frame[], other: readonly Frame[]): boolean {
  const left = one.filter((line) => line.b === 0)
  const right = other.filter((line) => line.b === 0)
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const { a, payload } = left[index] as Frame
    if (a !== right[index]?.a || !payload.equals((right[index] as Frame).payload)) return false
  }
  return true
}

const NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  [...Object.entries(TO_CELL), ...Object.entries(FROM_CELL)].map(([name, kind]) => [
    kind,
    name.toUpperCase(),
  ]),
)

const EXCERPT_CHARACTERS = 160

function viewOf({ kind, guest, a, b, flags, payload }: Frame, at: number): FrameView {
  const from = Math.max(0, at - EXCERPT_CHARACTERS / 4)
  const part = payload.subarray(from, from + EXCERPT_CHARACTERS)
  const text = textOf(flags, part)
  const cut = from + EXCERPT_CHARACTERS < payload.length ? '…' : ''
  return {
    kind: NAMES[kind] ?? String(kind),
    guest,
    a,
    b,
    bytes: payload.length,
    text: `${from > 0 ? '…' : ''}${text}${cut}`,
  }
}

function firstDifference(one: Frame | undefined, other: Frame | undefined): number {
  if (one === undefined || other === undefined) return 0
  const { length } = one.payload
  let at = 0
  while (at < length && one.payload[at] === other.payload[at]) at++
  return at
}
