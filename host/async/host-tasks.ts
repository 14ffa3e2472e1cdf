/**
 * Tasks of the host's own, trusted code: functions that run on the event loop, many at a time but not without bound, and
 * modules whose functions run on threads. A module can be registered under a name, by which guests may be granted it.
 */
import { pathToFileURL } from 'node:url'
import { VelaError } from '../core/errors.ts'
import {
  createLane,
  type SpawnOptions,
  type Task,
  type TaskContext,
  type TaskGroupBound,
  type TaskOutcome,
} from './task-lane.ts'
import type { ThreadJob, ThrownInThread } from './thread-entry.ts'
import type { ThreadPool } from './thread-pool.ts'

export type { SpawnOptions, Task, TaskContext, TaskOutcome } from './task-lane.ts'

/** A function of a module that runs on a thread. Input and result are copied by the structured clone algorithm. */
export interface TaskModule {
  /** A file URL (or its text), an absolute path, or the name of a package. */
  readonly module: URL | string
  /** The name it is exported by; `default` if left out. It is called with the input. */
  readonly export?: string
}

export interface RegisteredTask extends TaskModule {
  /** Threads that may run it at a time; as many as there are if left out. */
  readonly maxThreads?: number
}

export interface ModuleWork extends TaskModule {
  readonly input?: unknown
}

/** A task that was registered. */
export interface NamedWork {
  readonly task: string
  readonly input?: unknown
}

export type FunctionWork<Result> = (context: TaskContext) => Result | Promise<Result>

/** What `spawn` takes. */
export type HostWork<Result> = FunctionWork<Result> | ModuleWork | NamedWork

export interface HostTasks {
  /** Throws VELA_CONFIG_INVALID for a name that is taken or a bound that is none. */
  register(name: string, task: RegisteredTask): void
  has(name: string): boolean
  /**
   * Runs a function on the event loop, or a function of a module on a thread. Never throws: what is wrong is the result's.
   * A module's function that throws makes it VELA_TASK_FAILED with the error as `cause`; a name or export that is none,
   * VELA_WORKER_TASK_NOT_FOUND.
   */
  spawn<Result>(work: HostWork<Result>, options?: SpawnOptions): Task<Result>
  /** For guests: input and result are texts of the value codec, and `owner` is who waits in turn with others. */
  spawnEncoded(name: string, owner: string, input: string, options: SpawnOptions): Task<string>
  counts(): { readonly running: number; readonly waiting: number; readonly threads: number }
  /** No new tasks; resolves when those that are there have ended or `deadlineMs` (a duration) has passed. */
  drain(deadlineMs: number): Promise<void>
  /** Cancels what is left and ends the threads. */
  close(): Promise<void>
}

export interface HostTasksDeps {
  readonly threads: ThreadPool
  readonly onEnd: (outcome: TaskOutcome) => void
}

export interface HostTasksOptions {
  /** Functions that run at a time. */
  readonly concurrency: number
  /** Functions, and likewise jobs for threads, that may wait. */
  readonly queueLength: number
}

interface Registered {
  readonly module: string
  readonly export: string
  readonly bound: TaskGroupBound | undefined
}

const OWN = ''

export function createHostTasks(
  { threads, onEnd }: HostTasksDeps,
  { concurrency, queueLength }: HostTasksOptions,
): HostTasks {
  const registered = new Map<string, Registered>()
  const functions = createLane({ places: concurrency, queueLength, onEnd })
  const jobs = createLane({ places: threads.size, queueLength, onEnd })

  const spawnJob = (
    { module, export: name, bound }: Registered,
    key: string,
    input: unknown,
    encoded: boolean,
    options: SpawnOptions,
  ): Task<unknown> =>
    jobs.spawn(
      {
        key,
        bound,
        start: ({ signal }) => runJob(threads, { module, export: name, input, encoded }, signal),
      },
      options,
    )

  const find = (name: string): Registered => {
    const found = registered.get(name)
    if (found !== undefined) return found
    throw new VelaError('VELA_WORKER_TASK_NOT_FOUND', `The host has no task called ${name}`)
  }

  const spawn = (work: HostWork<unknown>, options: SpawnOptions = {}): Task<unknown> => {
    if (typeof work === 'function')
      return functions.spawn({ key: OWN, start: async (context) => await work(context) }, options)
    try {
      const task = 'task' in work ? find(work.task) : readModule(work)
      return spawnJob(task, OWN, work.input, false, options)
    } catch (thrown) {
      return failed(thrown)
    }
  }

  return {
    register(name, task) {
      const { maxThreads } = task
      if (typeof name !== 'string' || name === '' || registered.has(name))
        throw new VelaError('VELA_CONFIG_INVALID', `The name of the task ${name} is empty or taken`)
      if (maxThreads !== undefined && !(Number.isSafeInteger(maxThreads) && maxThreads >= 1))
        throw new VelaError('VELA_CONFIG_INVALID', `maxThreads of the task ${name} must be a number from 1`)
      const bound = maxThreads === undefined ? undefined : { most: maxThreads, running: 0 }
      registered.set(name, { ...readModule(task), bound })
    },
    has: (name) => registered.has(name),
    spawn: <Result>(work: HostWork<Result>, options?: SpawnOptions) => spawn(work, options) as Task<Result>,
    spawnEncoded(name, owner, input, options) {
      try {
        return spawnJob(find(name), owner, input, true, options) as Task<string>
      } catch (thrown) {
        return failed(thrown)
      }
    },
    counts: () => ({
      running: functions.running + jobs.running,
      waiting: functions.waiting + jobs.waiting,
      threads: threads.threads,
    }),
    async drain(deadlineMs) {
      await Promise.all([functions.drain(deadlineMs), jobs.drain(deadlineMs)])
    },
    async close() {
      functions.close()
      jobs.close()
      await threads.close()
    },
  }
}

async function runJob(threads: ThreadPool, job: ThreadJob, signal: AbortSignal): Promise<unknown> {
  let outcome
  try {
    outcome = await threads.run(job, signal)
  } catch (thrown) {
    // An input that cannot be copied, or a thread that ended (process.exit, out of memory).
    throw new VelaError('VELA_TASK_FAILED', messageOf(thrown), { cause: thrown })
  }
  if (outcome.kind === 'value') return outcome.value
  if (outcome.kind === 'missing') throw new VelaError('VELA_WORKER_TASK_NOT_FOUND', outcome.message)
  const { name, message, exposed, code } = outcome.error
  throw new VelaError('VELA_TASK_FAILED', `${name}: ${message}`, {
    cause: revive(outcome.error),
    details: exposed ? { thrown: { name, message, ...(code === undefined ? {} : { code }) } } : {},
  })
}

/** The error as it was thrown, as far as data can carry it. */
function revive({ name, message, stack, code }: ThrownInThread): Error {
  const error = new Error(message)
  error.name = name
  if (stack !== undefined) error.stack = stack
  return code === undefined ? error : Object.assign(error, { code })
}

function readModule({ module, export: name = 'default' }: TaskModule): Registered {
  const text = module instanceof URL ? module.href : module
  if (typeof text !== 'string' || text === '' || typeof name !== 'string')
    throw new VelaError('VELA_CONFIG_INVALID', 'A task is {module: URL or path, export?: name}')
  if (/^\.{1,2}[/\\]/.test(text))
    throw new VelaError(
      'VELA_CONFIG_INVALID',
      `${text} is relative to no file; pass new URL('${text}', import.meta.url)`,
    )
  const isPath = text.startsWith('/') || /^[A-Za-z]:[\\/]/.test(text)
  return { module: isPath ? pathToFileURL(text).href : text, export: name, bound: undefined }
}

function failed<Result>(thrown: unknown): Task<Result> {
  const result = Promise.reject<Result>(thrown)
  result.catch(() => undefined)
  return { result, ended: Promise.resolve(), cancel: () => undefined }
}

const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))
