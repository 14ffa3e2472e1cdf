/**
 * Types of the `workers` capability: functions of this service in further isolates, and tasks of the host. What crosses is
 * more than JSON: also undefined, Date, Map, Set, bigint, bytes, Error and RegExp, in objects and lists; at most 1 MiB of
 * encoded text each way. Functions, symbols and promises are refused with a `DataCloneError` that names their place.
 */
import type { GuestAbortSignal } from './web.ts'

export interface WorkerOptions {
  /** Ends the task: its work too, if it does not end soon by itself. */
  readonly signal?: GuestAbortSignal | undefined
}

export interface WorkerMapOptions extends WorkerOptions {
  /** Tasks of this call under way at a time; as many as there is use for, if left out. */
  readonly concurrency?: number
  /** Each outcome by itself, as of `Promise.allSettled`, instead of the first failure. */
  readonly settled?: boolean
}

type Tasks = Readonly<Record<string, (input: unknown) => unknown>>

type TaskName<Module> = {
  [Name in keyof Module]: Module[Name] extends (input: never) => unknown ? Name : never
}[keyof Module] &
  string

type Input<Task> = Task extends (input: infer Value) => unknown ? Value : never
type Output<Task> = Task extends (input: never) => infer Value ? Awaited<Value> : never
/** What takes nothing, or may, need not be given anything. */
type RunArguments<Value> = undefined extends Value
  ? [input?: Value, options?: WorkerOptions]
  : [input: Value, options?: WorkerOptions]

/**
 * A pool of workers: `"capabilities": {"workers": {"POOL": {"size": 2}}}` is `env.POOL`. Each of up to `size` workers is an
 * isolate with this service's code, in another cell, that runs one task at a time: an exported function, or a method as
 * `Class.method`, called with one value. Module state is each worker's own and lasts no longer than it.
 *
 * Rejects with what the function threw (name, message and `code`, else `VELA_GUEST_THREW`), the limit it broke
 * (`VELA_TURN_EXCEEDED_CPU`, `_MEMORY`), `VELA_CELL_LOST`, `VELA_WORKER_TASK_NOT_FOUND`, `VELA_TASK_OVERLOADED`,
 * `VELA_TASK_CANCELED`, `VELA_CAPABILITY_TOO_DEEP` inside a task, or `VELA_CAPABILITY_*`. A task that fails so touches no
 * other, and none is run again once it has had effects.
 *
 * `Module` is the type of the module that has the functions.
 *
 * @example
 * interface Env { readonly POOL: WorkerPool<typeof import('./tasks.ts')> }
 * const page = await env.POOL.run('render', { title, rows }, { signal: request.signal })
 */
export interface WorkerPool<Module = Tasks> {
  /** Workers at most, as the manifest asks; the operator's policy may give fewer. */
  readonly size: number
  run<Name extends TaskName<Module>>(
    task: Name,
    ...args: RunArguments<Input<Module[Name]>>
  ): Promise<Output<Module[Name]>>
  /**
   * One task for each input; results in the order of the inputs. The first failure cancels the others and is what it
   * rejects with, unless `settled`.
   *
   * @example
   * const thumbnails = await env.POOL.map('shrink', images, { concurrency: 4 })
   */
  map<Name extends TaskName<Module>>(
    task: Name,
    inputs: Iterable<Input<Module[Name]>>,
    options: WorkerMapOptions & { readonly settled: true },
  ): Promise<PromiseSettledResult<Output<Module[Name]>>[]>
  map<Name extends TaskName<Module>>(
    task: Name,
    inputs: Iterable<Input<Module[Name]>>,
    options?: WorkerMapOptions,
  ): Promise<Output<Module[Name]>[]>
}

/**
 * A task of the host: `"capabilities": {"workers": {"IMAGES": {"host": "resize"}}}` is `env.IMAGES`, if the operator's policy
 * grants it. It runs the host's own code on the host's threads. Rejects as a WorkerPool does, with `VELA_TASK_FAILED` for
 * what the task threw, and `VELA_TASK_TIMEOUT` at the deadline of the turn.
 *
 * @example
 * interface Env { readonly IMAGES: HostTask<Uint8Array, Uint8Array> }
 * const small = await env.IMAGES.run(bytes)
 */
export interface HostTask<Given = unknown, Result = unknown> {
  run(...args: RunArguments<Given>): Promise<Result>
  map(
    inputs: Iterable<Given>,
    options: WorkerMapOptions & { readonly settled: true },
  ): Promise<PromiseSettledResult<Result>[]>
  map(inputs: Iterable<Given>, options?: WorkerMapOptions): Promise<Result[]>
}
