/** Plays a recording to a cell, batch by batch, and compares; stops at the first difference. */
import { totalmem } from 'node:os'
import type { RecordedEnd } from '../cells/recorder.ts'
import { FROM_CELL, HEADER_BYTES, type Frame } from '../../sandbox/protocol/frame.ts'
import { compareAnswers, faultOf, isByTimer } from './compare.ts'
import { encodeStep } from './prepare.ts'
import type { Recording, RecordingEnd, Step } from './recording.ts'
import type { BatchAnswer, ReplayCell } from './replay-cell.ts'
import type { Divergence, ReplayReport } from './report.ts'
import { createTally } from './tally.ts'

export type Played = Pick<
  ReplayReport,
  'batches' | 'turns' | 'killed' | 'divergence' | 'end' | 'cpuMs' | 'warnings'
>

/** CPU time that a batch may take which was answered when it was recorded: this much, or so many times what it took. */
const LEAST_BUDGET_MS = 1_000
const SLOWER = 20
const ANSWER_ROOM_BYTES = 16 * 1024 * 1024

export async function play(recording: Recording, cell: ReplayCell): Promise<Played> {
  const tally = createTally()
  const warnings: string[] = []
  const cpuMicros = { recorded: 0, replayed: 0 }
  let batches = 0
  let divergence: Divergence | null = null
  let replayed = 'answered'
  let unanswered: Step | undefined

  const steps = recording.steps()
  let next = steps.next()
  for (; !next.done && divergence === null; next = steps.next()) {
    const step = next.value
    if (!step.answered) {
      unanswered = step
      continue
    }
    const recordedMicros = step.answer.find(({ kind }) => kind === FROM_CELL.done)?.b ?? 0
    const answer = await cell.run({
      bytes: step.sequence === 0 ? undefined : encodeStep(step),
      sequence: step.sequence,
      budgetMs: Math.max(LEAST_BUDGET_MS, (recordedMicros / 1000) * SLOWER),
      answerBytes: answerBytes(step),
    })
    divergence = differenceOf(step, answer)
    if (divergence !== null) break
    cpuMicros.recorded += recordedMicros
    cpuMicros.replayed += answer.cpuMicros
    tally.step(step)
    if (step.sequence > 0) batches++
  }

  const end = next.done ? next.value : undefined
  if (unanswered !== undefined && end !== undefined) {
    const last = await playLast(unanswered, end.end, cell)
    replayed = last.replayed
    divergence = last.divergence
    if (last.warning !== undefined) warnings.push(last.warning)
    if (last.killed !== undefined) tally.killedByHost(unanswered, last.replayed, last.killed)
  }
  if (end !== undefined && end.end === undefined) warnings.push(cutOff(end))
  return {
    batches,
    turns: tally.turns(),
    killed: tally.killed,
    divergence,
    end: {
      recorded: end === undefined ? 'not-reached' : (end.end?.reason ?? 'cut-off'),
      replayed: divergence === null ? replayed : 'diverged',
    },
    cpuMs: {
      recorded: Math.round(cpuMicros.recorded / 1000),
      replayed: Math.round(cpuMicros.replayed / 1000),
    },
    warnings,
  }
}

/** The memory that a replay may take: what the host allowed, as long as this machine has it. */
export function residentMbOf(recordedMb: number): number {
  return Math.min(recordedMb, Math.floor((totalmem() / 1024 / 1024) * 0.8))
}

function differenceOf(step: Step, answer: BatchAnswer): Divergence | null {
  const batch = step.sequence
  const difference = compareAnswers(step.answer, answer.frames)
  if (answer.end !== undefined) {
    const where = difference ?? { frame: answer.frames.length, expected: undefined, actual: undefined }
    return { batch, ...where, note: `The cell ended (${answer.end.reason}): ${answer.end.message}` }
  }
  if (difference === undefined) return null
  const timed = isTimed(step.answer) || isTimed(answer.frames)
  const note = timed
    ? 'The engine’s timer struck once and not the other time: how far a turn gets by then depends on the machine'
    : 'The cell said something else'
  return { batch, ...difference, note }
}

const isTimed = (frames: readonly Frame[]): boolean => frames.some((frame) => isByTimer(faultOf(frame)))

interface Last {
  readonly replayed: string
  readonly divergence: Divergence | null
  readonly warning?: string
  /** The host would end the cell again; the watchdog's words. */
  readonly killed?: string
}

/** The batch that the cell never answered: it is shown again, under the watchdog that the host had. */
async function playLast(step: Step, end: RecordedEnd | undefined, cell: ReplayCell): Promise<Last> {
  const batch = step.sequence
  if (end === undefined) return { replayed: 'not-played', divergence: null }
  if (end.reason === 'stopped') {
    const warning = `Batch ${batch} is not played: the host stopped the cell before it answered`
    return { replayed: 'not-played', divergence: null, warning }
  }
  const answer = await cell.run({
    bytes: batch === 0 ? undefined : encodeStep(step),
    sequence: batch,
    budgetMs: end.budgetMs,
    answerBytes: answerBytes(step),
  })
  const replayed = answer.end?.reason ?? 'answered'
  if (end.reason === 'protocol') {
    // The host found fault with what these frames say; that the cell says them again is all that can be shown.
    const difference = compareAnswers(step.answer, answer.frames, { prefix: true })
    const divergence =
      difference === undefined ? null : { batch, ...difference, note: 'The cell said something else' }
    return { replayed, divergence, killed: 'The host ended the cell for what it said here' }
  }
  if (replayed === end.reason) return { replayed, divergence: null, killed: answer.end?.message ?? '' }
  const note =
    `The host ended the cell here (${end.reason}); in the replay ` +
    (answer.end === undefined
      ? 'the batch was answered'
      : `it ended otherwise (${replayed}): ${answer.end.message}`)
  return { replayed, divergence: { batch, frame: 0, expected: undefined, actual: undefined, note } }
}

const answerBytes = (step: Step): number =>
  step.answer.reduce((sum, { payload }) => sum + HEADER_BYTES + payload.length, 0) * 2 + ANSWER_ROOM_BYTES

function cutOff({ wholeBytes, fileBytes }: RecordingEnd): string {
  const rest = fileBytes - wholeBytes
  const tail = rest > 0 ? `; its last ${rest} bytes, from byte ${wholeBytes}, are no whole record` : ''
  return `The recording breaks off before the end of the cell (the host was killed, or its disk was full)${tail}; it was played up to the last batch that was answered`
}
