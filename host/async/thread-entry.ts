/**
 * What runs in a thread of the host's pool: loads a trusted module, calls the function it exports, and reports what
 * came of it as plain data. Inputs of guests are decoded and their results encoded here, so that neither costs the
 * host's event loop anything.
 */
import { decodeValue, encodeValue } from '../../guest-sdk/async/codec.ts'

export interface ThreadJob {
  /** A URL or package name that `import` takes. */
  readonly module: string
  readonly export: string
  readonly input: unknown
  /** The input is a text of the value codec, and so is the result to be. */
  readonly encoded: boolean
}

export type ThreadOutcome =
  | { readonly kind: 'value'; readonly value: unknown }
  /** The module has no such function. */
  | { readonly kind: 'missing'; readonly message: string }
  | { readonly kind: 'threw'; readonly error: ThrownInThread }

export interface ThrownInThread {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: string
  /** The task marked it (`error.exposed = true`): a guest may see name, message and code. */
  readonly exposed: boolean
}

/** The function that piscina calls. Never throws. */
export async function runJob(job: ThreadJob): Promise<ThreadOutcome> {
  try {
    const exports = (await import(job.module)) as Readonly<Record<string, unknown>>
    const found = Object.hasOwn(exports, job.export) ? exports[job.export] : undefined
    if (typeof found !== 'function')
      return { kind: 'missing', message: `${job.module} exports no function called ${job.export}` }
    const input = job.encoded ? decodeValue(job.input as string) : job.input
    const value: unknown = await (found as (input: unknown) => unknown)(input)
    // What cannot be sent must fail this task, not the thread.
    return { kind: 'value', value: job.encoded ? encodeValue(value) : structuredClone(value) }
  } catch (thrown) {
    return { kind: 'threw', error: describe(thrown) }
  }
}

function describe(thrown: unknown): ThrownInThread {
  if (!(thrown instanceof Error))
    return { name: 'Error', message: `Thrown value is no Error: ${printValue(thrown)}`, exposed: false }
  const { name, message, stack } = thrown
  const { code, exposed } = thrown as { readonly code?: unknown; readonly exposed?: unknown }
  return {
    name,
    message,
    ...(stack === undefined ? {} : { stack }),
    ...(typeof code === 'string' ? { code } : {}),
    exposed: exposed === true,
  }
}

function printValue(value: unknown): string {
  try {
    return String(value)
  } catch {
    return 'it cannot be shown'
  }
}
