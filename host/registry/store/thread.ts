/**
 * The store thread: the only place that touches the database, so that fsync never blocks the host's event loop.
 * It knows no operation; whoever starts it passes the tables. Invariant: a reply leaves only after the commit that
 * holds its write.
 */
import { existsSync } from 'node:fs'
import { receiveMessageOnPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { openDatabase } from './database.ts'
import type { Database } from './database.ts'
import { pathsIn, prepareDirectory } from './directory.ts'
import type { StoreName } from './directory.ts'
import { toStoreError } from './failures.ts'
import { createGroupCommit } from './group.ts'
import type { Job } from './group.ts'
import { takeLock } from './lock.ts'
import { flattenError } from './protocol.ts'
import type { LogLevel, Operation, Operations, StoreCall, StoreOptions, StoreReply } from './protocol.ts'
import type { Migrations } from './schema.ts'

// More in one transaction gains nothing and makes the first of them wait.
const GROUP_LIMIT = 256

export interface StoreProgram<Context> {
  /** Names its files; 'store' if left out. */
  readonly store?: StoreName
  readonly migrations: Migrations
  readonly operations: Operations<Context>
  /** Makes what operations are called with; may read and write the database, which nobody else uses yet. */
  setUp(database: Database, dataDir: string | null): Context
}

export function serveStore<Context>(
  port: MessagePort,
  options: StoreOptions,
  program: StoreProgram<Context>,
): void {
  const post = (...replies: StoreReply[]): void => port.postMessage(replies)
  const log = (level: LogLevel, message: string): void => post({ kind: 'log', level, message })
  try {
    const opened = open(options, program, log)
    listen(port, opened, program.operations, post)
    post({ kind: 'opened' })
  } catch (error) {
    post({ kind: 'refused', error: flattenError(toStoreError(error)) })
    port.close()
  }
}

interface Opened<Context> {
  readonly database: Database
  readonly context: Context
  close(): void
}

function open<Context>(
  options: StoreOptions,
  program: StoreProgram<Context>,
  log: (level: LogLevel, message: string) => void,
): Opened<Context> {
  const { dataDir, maxStoreBytes } = options
  const paths = dataDir === null ? undefined : pathsIn(dataDir, program.store)
  if (dataDir !== null) prepareDirectory(dataDir, log)
  const lock = dataDir === null || paths === undefined ? undefined : takeLock(dataDir, paths, log)
  let database: Database | undefined
  const close = (): void => {
    try {
      database?.close()
    } finally {
      lock?.release()
    }
  }
  try {
    database = openDatabase({
      path: paths?.database ?? null,
      maxStoreBytes,
      migrations: program.migrations,
      inUse: paths !== undefined && existsSync(paths.mark),
      log,
    })
    return { database, context: program.setUp(database, dataDir), close }
  } catch (error) {
    close()
    throw error
  }
}

function listen<Context>(
  port: MessagePort,
  opened: Opened<Context>,
  operations: Operations<Context>,
  post: (...replies: StoreReply[]) => void,
): void {
  const reads = new Map(Object.entries(operations.reads))
  const writes = new Map(Object.entries(operations.writes))
  const checkedWrites = new Map(Object.entries(operations.checkedWrites ?? {}))
  const commit = createGroupCommit(opened.database)

  const serve = (calls: readonly StoreCall[]): void => {
    const replies: StoreReply[] = []
    const jobs = calls.map((call): Job => {
      const { id, args } = call
      const name = call.operation ?? ''
      const run = writes.get(name) ?? checkedWrites.get(name) ?? reads.get(name)
      return {
        writes: !reads.has(name),
        undo: writes.has(name),
        run: () => invoke(run, call.operation, opened.context, args),
        settle: (outcome) =>
          replies.push(
            outcome.ok
              ? { kind: 'done', id, value: outcome.value }
              : { kind: 'failed', id, error: flattenError(outcome.error) },
          ),
      }
    })
    commit.run(jobs)
    post(...replies)
  }

  const finish = (call: StoreCall): void => {
    try {
      opened.close()
      post({ kind: 'done', id: call.id, value: undefined })
    } catch (error) {
      post({ kind: 'failed', id: call.id, error: flattenError(toStoreError(error)) })
    }
    port.close()
  }

  port.on('message', (first: readonly StoreCall[]) => {
    const waiting = gather(port, first)
    const end = waiting.findIndex((call) => call.operation === null)
    const calls = end < 0 ? waiting : waiting.slice(0, end)
    for (let start = 0; start < calls.length; start += GROUP_LIMIT)
      serve(calls.slice(start, start + GROUP_LIMIT))
    const last = waiting[end]
    if (last !== undefined) finish(last)
  })
}

/** Everything that has arrived by now, since one fsync can serve it all. */
function gather(port: MessagePort, first: readonly StoreCall[]): StoreCall[] {
  const calls = [...first]
  while (calls.length < GROUP_LIMIT) {
    const next: { readonly message: readonly StoreCall[] } | undefined = receiveMessageOnPort(port)
    if (next === undefined) break
    calls.push(...next.message)
  }
  return calls
}

function invoke<Context>(
  operation: Operation<Context> | undefined,
  name: string | null,
  context: Context,
  args: readonly unknown[],
): unknown {
  if (operation === undefined) throw new Error(`the store has no operation "${name}"`)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the client's types matched the arguments
  const run = operation as (context: Context, ...args: readonly unknown[]) => unknown
  return run(context, ...args)
}
