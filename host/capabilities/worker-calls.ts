/**
 * Calls of the `workers` capability: `run(task)` with one encoded value, `map(task, settled)` with one a line. Everything in
 * them is hostile. Inputs and results that are held here are counted by tenant, so that no number of calls makes the
 * host hold more; what a call began ends with it.
 */
import { INLINE_BODY_LIMIT, TASK_VALUE_LIMIT } from '../../guest-sdk/kernel/messages.ts'
import type { HostTasks } from '../async/host-tasks.ts'
import { asciiJson, escapeJson } from '../cells/ascii-json.ts'
import type { WorkerIsolates } from '../concurrency/workers/isolates.ts'
import type { WorkerPool, WorkerTask } from '../concurrency/workers/pool.ts'
import { ERRORS, VelaError } from '../core/errors.ts'
import { readWhole } from './call-body.ts'
import {
  GuestFacingError,
  type Capability,
  type CapabilityCall,
  type CapabilityResult,
} from './capability.ts'
import type { Holdings } from './worker-holdings.ts'
import { deeper } from './target.ts'

/** Where tasks are run. */
export interface TaskRunner {
  run(task: string, input: string, call: CapabilityCall, key: string): WorkerTask
  close(): void
}

const MOST_LINES = 256
const MOST_NAME = 256

export function createWorkerCalls(
  tenant: string,
  runner: TaskRunner,
  own: WorkerIsolates | undefined,
  holdings: Holdings,
): Capability {
  let calls = 0

  const perform = async (call: CapabilityCall): Promise<CapabilityResult> => {
    const { name, isMap, settled } = readCall(call)
    checkDepth(call, own)
    let mine = 0
    const holdMine = (characters: number): void => {
      holdings.hold(tenant, characters)
      mine += characters
    }
    const release = (): void => {
      holdings.release(tenant, mine)
      mine = 0
    }
    try {
      const text = await readText(call, isMap, holdMine)
      const inputs = isMap ? text.split('\n') : [text]
      if (
        inputs.length > MOST_LINES ||
        inputs.some(({ length }) => length === 0 || length > TASK_VALUE_LIMIT)
      )
        throw malformed()
      const results = await runAll(inputs.map(escapeJson), name, call, settled, holdMine)
      const answer = isMap ? results.join('\n') : (results[0] as string).slice(1)
      const body = Buffer.from(answer, 'latin1')
      if (body.length > INLINE_BODY_LIMIT) return { body: inParts(body, release) }
      release()
      return { body }
    } catch (thrown) {
      release()
      throw thrown
    }
  }

  /** All are begun; the first that fails ends the others, unless each is to have its own outcome. */
  const runAll = async (
    inputs: readonly string[],
    name: string,
    call: CapabilityCall,
    settled: boolean,
    holdMine: (characters: number) => void,
  ): Promise<string[]> => {
    const { signal } = call
    const key = `${tenant} ${++calls}`
    const tasks = inputs.map((input) => begin(() => runner.run(name, input, call, key)))
    const cancel = (): void => {
      for (const task of tasks) task.cancel('The caller went away')
    }
    if (signal.aborted) cancel()
    else signal.addEventListener('abort', cancel, { once: true })
    const lineOf = async ({ result }: WorkerTask): Promise<string> => {
      try {
        const line = `=${escapeJson(await result)}`
        holdMine(line.length)
        return line
      } catch (thrown) {
        if (!settled) throw thrown
        return `!${asciiJson(describe(thrown))}`
      }
    }
    try {
      return await Promise.all(tasks.map(lineOf))
    } catch (thrown) {
      for (const task of tasks) task.cancel('Another task of the same call failed')
      throw thrown
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }

  return { call: perform, close: () => runner.close() }
}

/** A task that cannot be begun fails as one that was; those begun before it end in the same way. */
function begin(run: () => WorkerTask): WorkerTask {
  try {
    return run()
  } catch (thrown) {
    return { result: Promise.reject(thrown), cancel: () => undefined }
  }
}

/** The bytes as their reader takes them; `release` once, when it has them all or wants no more. */
function inParts(bytes: Buffer, release: () => void): AsyncIterable<Uint8Array> {
  let at = 0
  const end = (): Promise<IteratorReturnResult<undefined>> => {
    release()
    return Promise.resolve({ done: true, value: undefined })
  }
  return {
    [Symbol.asyncIterator]: () => ({
      next() {
        if (at >= bytes.length) return end()
        const value = bytes.subarray(at, at + INLINE_BODY_LIMIT)
        at += INLINE_BODY_LIMIT
        return Promise.resolve({ done: false, value })
      },
      return: end,
    }),
  }
}

/** The service's own functions, in its workers. */
export const poolRunner = (pool: WorkerPool | undefined): TaskRunner => ({
  run(name, input, { requestId, depth }, key) {
    if (name === '') throw malformed()
    if (pool === undefined)
      throw new VelaError('VELA_CAPABILITY_FAILED', 'This deployment can have no workers')
    return pool.run({ name, input, requestId, depth: depth + 1 }, key)
  },
  close: () => pool?.close(),
})

/** One task of the host, on its threads; of several tenants that wait each has its turn. */
export function hostRunner(
  tasks: Pick<HostTasks, 'has' | 'spawnEncoded'>,
  name: string,
  tenant: string,
): TaskRunner {
  const running = new Set<WorkerTask>()
  return {
    run(_task, input, { deadlineMs }) {
      if (!tasks.has(name))
        throw new VelaError('VELA_WORKER_TASK_NOT_FOUND', `The host has no task called ${name}`)
      if (running.size >= MOST_LINES)
        throw new VelaError('VELA_TASK_OVERLOADED', `${MOST_LINES} tasks are under way already; retry later`)
      const epochMs = Date.now() + deadlineMs - performance.now()
      const spawned = tasks.spawnEncoded(name, tenant, input, { deadlineMs: epochMs })
      const task = {
        result: spawned.result.catch(guestFacing),
        cancel: (reason: string) => spawned.cancel(reason),
      }
      running.add(task)
      void spawned.ended.then(() => running.delete(task))
      return task
    },
    close() {
      for (const task of running) task.cancel('The grant has ended')
    },
  }
}

/** What a task of the host threw is for the guest only if the task marked it so. */
function guestFacing(thrown: unknown): never {
  if (!(thrown instanceof VelaError) || thrown.code !== 'VELA_TASK_FAILED') throw thrown
  const shown = thrown.details['thrown'] as { name: string; message: string; code?: string } | undefined
  if (shown === undefined)
    throw new GuestFacingError('Error', ERRORS.VELA_TASK_FAILED.title, 'VELA_TASK_FAILED')
  throw new GuestFacingError(shown.name, shown.message, shown.code ?? 'VELA_TASK_FAILED')
}

function readCall({ method, args }: CapabilityCall): { name: string; isMap: boolean; settled: boolean } {
  const [name, settled = false] = args
  if (method !== 'run' && method !== 'map') throw malformed()
  if (typeof name !== 'string' || name.length > MOST_NAME || typeof settled !== 'boolean') throw malformed()
  return { name, isMap: method === 'map', settled: method === 'map' && settled }
}

/** A task waits for its caller, so one that could have tasks of its own might wait for itself. */
function checkDepth({ origin, depth }: CapabilityCall, own: WorkerIsolates | undefined): void {
  if (own?.includes(origin) === true)
    throw new GuestFacingError(
      'Error',
      'A task of a worker has no workers of its own; return to the caller what is left to do',
      'VELA_CAPABILITY_TOO_DEEP',
    )
  deeper(depth, 'Services and tasks')
}

async function readText(
  { body }: CapabilityCall,
  isMap: boolean,
  hold: (characters: number) => void,
): Promise<string> {
  if (body === undefined) throw malformed()
  const most = isMap ? TASK_VALUE_LIMIT * 2 : TASK_VALUE_LIMIT
  // UTF-8: a character has up to three bytes.
  const bytes = await readWhole(body, most * 3, tooLarge, hold)
  const text = bytes.toString('utf8')
  if (text.length > most) throw tooLarge()
  return text
}

function describe(thrown: unknown): { name: string; message: string; code?: string } {
  if (thrown instanceof GuestFacingError) {
    const { name, message, code } = thrown
    return { name, message, ...(code === undefined ? {} : { code }) }
  }
  if (!(thrown instanceof VelaError)) throw thrown
  const { exposed, title } = ERRORS[thrown.code]
  return { name: 'Error', message: exposed ? thrown.message : title, code: thrown.code }
}

const malformed = (): GuestFacingError =>
  new GuestFacingError('TypeError', 'The call of workers is malformed', 'VELA_CAPABILITY_BAD_CALL')

const tooLarge = (): GuestFacingError =>
  new GuestFacingError(
    'RangeError',
    `The input of a task has at most ${TASK_VALUE_LIMIT} characters`,
    'VELA_CAPABILITY_BAD_CALL',
  )
