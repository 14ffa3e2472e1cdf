/**
 * Runs the `scheduled` handlers of services. It keeps no plan: at each minute it asks the versions that serve at that moment
 * which schedules are due, so deploys, rollbacks and deletions need not tell it anything, and a minute in which the host was down or
 * asleep is not made up for. A service runs one at a time; what falls due meanwhile is skipped and logged.
 */
import { setImmediate as nextTick } from 'node:timers/promises'
import { HANDLER } from '../../guest-sdk/kernel/messages.ts'
import type { ScheduledRun } from '../core/control.ts'
import { VelaError } from '../core/errors.ts'
import { parseSchedule, type Schedule } from '../manifest/schedule.ts'
import type { Catalog } from './catalog.ts'
import { createMethodCall } from './method-call.ts'
import type { Service } from './service.ts'
import type { ServiceVersion } from './version.ts'

export interface Scheduler {
  /** Begins to watch the clock. */
  start(): void
  /** Nothing becomes due any more; runs in flight go on. */
  stop(): void
  /** Runs one schedule of the active version now; `cron` may be left out if there is only one. */
  run(tenant: string, service: string, cron?: string): Promise<ScheduledRun>
}

export interface SchedulerDeps {
  readonly catalog: Pick<Catalog, 'find' | 'get' | 'values'>
  /** In a cluster one host runs it: asked when it is due, at that minute (milliseconds since the epoch). Always true by default. */
  readonly claim?: (tenant: string, service: string, cron: string, minuteMs: number) => Promise<boolean>
  /** Milliseconds since the epoch. */
  readonly now?: () => number
  /** Calls back once after so many milliseconds; returns what prevents it. */
  readonly setTimer?: (callback: () => void, delayMs: number) => () => void
}

const MINUTE_MS = 60_000
const SERVICES_PER_TICK = 64

export function createScheduler({
  catalog,
  claim,
  now = Date.now,
  setTimer = startTimer,
}: SchedulerDeps): Scheduler {
  const parsed = new WeakMap<ServiceVersion, readonly Schedule[]>()
  const running = new WeakSet<Service>()
  let lastMinuteMs = 0
  let runs = 0
  let cancelTimer: (() => void) | undefined

  const schedulesOf = ({ active }: Service): readonly Schedule[] => {
    let schedules = parsed.get(active)
    if (schedules === undefined) {
      schedules = readSchedules(active)
      parsed.set(active, schedules)
    }
    return schedules
  }

  /** Rejects with what the run failed with. */
  const runOne = async (service: Service, cron: string, scheduledTime: number): Promise<ScheduledRun> => {
    const { active } = service
    const requestId = `cron-${(++runs).toString(36)}`
    const startedMs = performance.now()
    running.add(service)
    const { call, result } = createMethodCall(cron, [scheduledTime], {
      requestId,
      handler: HANDLER.scheduled,
      mapStack: (stack) => stack,
    })
    service.dispatch(call)
    try {
      await service.counted(result)
      const durationMs = performance.now() - startedMs
      return { cron, scheduledTime, durationMs: Math.round(durationMs * 10) / 10 }
    } catch (thrown) {
      const error = thrown instanceof VelaError ? thrown : new VelaError('VELA_GATEWAY_INTERNAL', '')
      logFailure(active, error, cron, requestId)
      throw error
    } finally {
      running.delete(service)
    }
  }

  const fire = async (minuteMs: number): Promise<void> => {
    let looked = 0
    for (const service of catalog.values()) {
      for (const schedule of schedulesOf(service)) {
        if (!schedule.isDue(minuteMs)) continue
        const { cron } = schedule
        if (claim !== undefined && !(await claim(service.tenant, service.service, cron, minuteMs))) continue
        if (running.has(service))
          service.active.note('warn', `Skipped the schedule "${cron}": the run before it goes on`)
        else runOne(service, cron, minuteMs).catch(() => undefined)
      }
      // Requests must not wait behind ten thousand services that all want the full hour.
      if (++looked % SERVICES_PER_TICK === 0) await nextTick()
      if (cancelTimer === undefined) return
    }
  }

  const arm = (): void => {
    const delayMs = MINUTE_MS - (now() % MINUTE_MS)
    cancelTimer = setTimer(() => {
      const minuteMs = Math.floor(now() / MINUTE_MS) * MINUTE_MS
      // A timer may come a moment early, and a clock may be set back.
      if (minuteMs !== lastMinuteMs) {
        lastMinuteMs = minuteMs
        void fire(minuteMs)
      }
      arm()
    }, delayMs)
  }

  return {
    start() {
      if (cancelTimer !== undefined) return
      lastMinuteMs = Math.floor(now() / MINUTE_MS) * MINUTE_MS
      arm()
    },
    stop() {
      cancelTimer?.()
      cancelTimer = undefined
    },
    async run(tenant, name, cron) {
      const service = catalog.find(tenant, name)
      const chosen = choose(service, cron)
      if (running.has(service))
        throw new VelaError('VELA_SCHEDULE_RUNNING', `${tenant}/${name} runs already; one run at a time`)
      return await runOne(service, chosen, Math.floor(now() / MINUTE_MS) * MINUTE_MS)
    },
  }
}

/** They were checked at deploy, perhaps by a host of another version; what is not understood now is never due. */
function readSchedules(version: ServiceVersion): readonly Schedule[] {
  try {
    return (version.deployment.manifest.schedules ?? []).map(parseSchedule)
  } catch (thrown) {
    version.note('error', thrown instanceof VelaError ? thrown.message : 'The schedules cannot be read')
    return []
  }
}

function choose({ tenant, service, active }: Service, cron: string | undefined): string {
  const crons = active.deployment.manifest.schedules ?? []
  const only = crons.length === 1 ? crons[0] : undefined
  const chosen = cron === undefined ? only : crons.find((one) => one === cron)
  if (chosen !== undefined) return chosen
  const known = crons.length === 0 ? 'it has none' : `it has ${crons.map((one) => `"${one}"`).join(', ')}`
  const message =
    cron === undefined
      ? `${tenant}/${service}: name the schedule to run; ${known}`
      : `${tenant}/${service} has no schedule ${JSON.stringify(cron.slice(0, 200))}; ${known}`
  throw new VelaError('VELA_SCHEDULE_NOT_FOUND', message)
}

/** What the handler threw goes to the log as for every other handler; what the runtime ended, in its words. */
function logFailure(version: ServiceVersion, error: VelaError, cron: string, requestId: string): void {
  const { thrown, stack } = error.details as {
    thrown?: { readonly name: string; readonly message: string }
    stack?: string
  }
  if (thrown !== undefined && error.code === 'VELA_GUEST_THREW')
    version.threw({ ...thrown, ...(stack === undefined ? {} : { stack }) }, requestId)
  else
    version.note('error', `The schedule "${cron}" failed: ${error.message}`, { code: error.code, requestId })
}

function startTimer(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, delayMs).unref()
  return () => clearTimeout(timer)
}
