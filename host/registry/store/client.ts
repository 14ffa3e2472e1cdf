/**
 * The host's end of the store thread: typed calls that resolve when the store has committed. Calls of one tick leave in
 * one message. Invariants: every call settles exactly once, also when the thread dies; what waits is bounded; an idle
 * store does not keep the process alive.
 */
import { Worker } from 'node:worker_threads'
import { VelaError } from '../../core/errors.ts'
import { reviveError } from './protocol.ts'
import type { LogLevel, Operation, StoreCall, StoreOptions, StoreReply } from './protocol.ts'

const MAX_WAITING = 16_384

type Args<Run> = Run extends (context: never, ...args: infer List) => unknown ? List : never
type Result<Run> = Run extends (context: never, ...args: never[]) => infer Value ? Value : never

export interface StoreClient<Table> {
  call<Name extends keyof Table & string>(
    name: Name,
    ...args: Args<Table[Name]>
  ): Promise<Result<Table[Name]>>
  /** Finishes what waits, closes the files and ends the thread. */
  close(): Promise<void>
}

export interface StoreClientOptions extends StoreOptions {
  /** The module that the thread runs; it calls serveStore. */
  readonly entry: URL
  readonly log: (level: LogLevel, message: string) => void
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: VelaError): void
}

export function openStore<Table extends Readonly<Record<string, Operation<never>>>>(
  options: StoreClientOptions,
): Promise<StoreClient<Table>> {
  const { dataDir, maxStoreBytes, entry, log } = options
  const workerData: StoreOptions = { dataDir, maxStoreBytes }
  // The thread needs nothing of the host's environment, and loader flags of the host are not meant for it.
  const worker = new Worker(entry, { workerData, env: {}, execArgv: [], name: 'vela-store' })
  const waiting = new Map<number, Waiting>()
  const opening = Promise.withResolvers<StoreClient<Table>>()
  const ended = Promise.withResolvers<void>()
  let outbox: StoreCall[] = []
  let lastId = 0
  let gone: VelaError | undefined
  let closing: Promise<void> | undefined

  const send = (operation: string | null, args: readonly unknown[]): Promise<unknown> => {
    if (gone !== undefined) return Promise.reject(gone)
    if (operation !== null && waiting.size >= MAX_WAITING) return Promise.reject(overloaded())
    const id = (lastId += 1)
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    if (waiting.size === 0) worker.ref()
    waiting.set(id, { resolve, reject })
    if (outbox.push({ id, operation, args }) === 1) queueMicrotask(flush)
    return promise
  }

  const settle = (id: number, act: (entry: Waiting) => void): void => {
    const entry = waiting.get(id)
    if (entry === undefined) return
    waiting.delete(id)
    // A caller that awaits close() must see it end.
    if (waiting.size === 0 && closing === undefined) worker.unref()
    act(entry)
  }

  const flush = (): void => {
    const calls = outbox
    outbox = []
    try {
      worker.postMessage(calls, [])
    } catch {
      // One of them cannot be copied to another thread; only that one may fail.
      for (const call of calls) {
        try {
          worker.postMessage([call], [])
        } catch (error) {
          settle(call.id, (entry) => entry.reject(failed(`a value cannot be stored: ${String(error)}`)))
        }
      }
    }
  }

  const end = (error: VelaError): void => {
    gone ??= error
    opening.reject(gone)
    for (const id of waiting.keys()) settle(id, (entry) => entry.reject(error))
    ended.resolve()
  }

  const client: StoreClient<Table> = {
    async call(name, ...args) {
      if (closing !== undefined) throw failed('it is closed')
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the thread runs the function that Table names
      return (await send(name, args)) as Result<Table[typeof name]>
    },
    close() {
      closing ??= (gone === undefined ? send(null, []) : Promise.resolve()).then(() => ended.promise)
      return closing
    },
  }

  const receive = (reply: StoreReply): void => {
    switch (reply.kind) {
      case 'opened':
        worker.unref()
        return opening.resolve(client)
      case 'refused':
        return end(reviveError(reply.error))
      case 'done':
        return settle(reply.id, (entry) => entry.resolve(reply.value))
      case 'failed':
        return settle(reply.id, (entry) => entry.reject(reviveError(reply.error)))
      case 'log':
        return log(reply.level, reply.message)
    }
  }

  worker.on('message', (replies: readonly StoreReply[]) => replies.forEach(receive))
  worker.on('error', (error) =>
    end(failed(`its thread failed: ${error instanceof Error ? error.message : String(error)}`)),
  )
  worker.on('exit', () => end(failed(closing === undefined ? 'its thread ended' : 'it is closed')))
  return opening.promise
}

function failed(why: string): VelaError {
  return new VelaError('VELA_STORE_FAILED', `The store could not read or write: ${why}.`)
}

function overloaded(): VelaError {
  return new VelaError(
    'VELA_STORE_FAILED',
    `The store has ${MAX_WAITING} calls waiting. Try again when it is less busy.`,
  )
}
