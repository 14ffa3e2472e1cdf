/**
 * The store thread: the only place that touches the database, so that fsync never blocks the host's event loop.
 * It knows no operation; the module that it runs passes the tables. Invariant: a reply leaves only after the commit that
 * holds its write.
 */
import { existsSync } from 'node:fs'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { openDatabase } from './database.ts'
import type { Database } from './database.ts'
import { pathsIn, prepareDirectory, warnOfAccess, writeFileDurably } from './directory.ts'
import type { StoreName, StorePaths } from './directory.ts'
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
  /** Names its files; left out by the registry's, whose mark is the key that setUp makes. */
  readonly store?: Exclude<StoreName, 'store'>
  readonly migrations: Migrations
  readonly operations: Operations<Context>
  /** Makes what operations are called with; may read and write the database, which nobody else uses yet. */
  setUp(database: Database, dataDir: string | null): Context
}

/** To be called by the module that openStore was given, on the thread that it runs on. */
export function serveStore<Context>(program: StoreProgram<Context>): void {
  if (parentPort === null) throw new Error('a store is served by a worker thread, which openStore starts')
  const port = parentPort
  const options: StoreOptions = workerData
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
  if (dataDir !== null) prepareDirectory(dataDir)
  // All stores of a host are in it; the registry's, which is always one of them, speaks for all.
  if (dataDir !== null && program.store === undefined) warnOfAccess(dataDir, log)
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
    const context = program.setUp(database, dataDir)
    if (program.store !== undefined && paths !== undefined) markInUse(paths, program.store)
    return { database, context, close }
  } catch (error) {
    close()
    throw error
  }
}

/** Only when the tables are on the disk: a start that was interrupted must not look like a lost store. */
function markInUse({ mark }: StorePaths, store: StoreName): void {
  if (!existsSync(mark)) writeFileDurably(mark, `${store}.sqlite beside this file has been in use.\n`)
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
