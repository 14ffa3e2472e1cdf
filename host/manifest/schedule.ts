/**
 * Schedules: cron expressions of five fields, in UTC. They come from tenants, so they are checked for what would
 * surprise (seconds, times that depend on when the host started, days that never come) when they are deployed.
 */
import { Cron } from 'croner'
import { printValue } from '../core/config-document.ts'
import { VelaError } from '../core/errors.ts'

export interface Schedule {
  /** As the manifest has it. */
  readonly cron: string
  /** Whether it is due in the minute that begins at this time (milliseconds since the epoch). */
  isDue(minuteMs: number): boolean
}

export const MAX_SCHEDULES = 32
const MAX_LENGTH = 128

/** Throws VELA_DEPLOY_INVALID_MANIFEST saying what is wrong with the expression. */
export function parseSchedule(cron: string): Schedule {
  const fail = (reason: string): never => {
    throw new VelaError('VELA_DEPLOY_INVALID_MANIFEST', `the schedule ${printValue(cron)} ${reason}`, {
      details: { cron: cron.slice(0, MAX_LENGTH), reason },
    })
  }
  if (cron.length > MAX_LENGTH) return fail(`is longer than ${MAX_LENGTH} characters`)
  const fields = cron.split(' ')
  if (fields.length === 6 && !fields.includes(''))
    return fail('has six fields; leave out the seconds, a minute is the shortest interval')
  if (fields.length !== 5 || fields.includes(''))
    return fail('must have five fields with one space between them: minute hour day month weekday (UTC)')
  // It would stand for the time at which the host started.
  if (cron.includes('?')) return fail('must not have a ?; write *')
  try {
    const job = new Cron(cron, { mode: '5-part', timezone: 'UTC', paused: true })
    if (job.nextRun() === null) return fail('is never due')
    return { cron, isDue: rarely(job) }
  } catch (thrown) {
    if (thrown instanceof VelaError) throw thrown
    return fail(`cannot be read (${thrown instanceof Error ? thrown.message : 'unknown reason'})`)
  }
}

/** For a manifest that came as an object; throws as `parseSchedule` does. */
export function checkSchedules(crons: readonly string[]): void {
  if (crons.length > MAX_SCHEDULES) {
    throw new VelaError(
      'VELA_DEPLOY_INVALID_MANIFEST',
      `schedules: at most ${MAX_SCHEDULES} are allowed, not ${crons.length}`,
    )
  }
  for (const cron of crons) parseSchedule(cron)
}

/** A match costs microseconds, and most minutes are none: a stretch without any is found once and passed over. */
function rarely(job: Cron): (minuteMs: number) => boolean {
  let idleFromMs = 0
  let idleUntilMs = 0
  return (minuteMs) => {
    if (idleFromMs <= minuteMs && minuteMs < idleUntilMs) return false
    const at = new Date(minuteMs)
    if (job.match(at)) return true
    idleFromMs = minuteMs
    idleUntilMs = job.nextRun(at)?.getTime() ?? Infinity
    return false
  }
}
