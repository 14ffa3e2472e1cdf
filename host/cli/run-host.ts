/**
 * The life of a host in this process: start, serve, stop on a signal. A signal that arrives while it is still
 * starting stops it too, as soon as it has started; what fails on the way leaves nothing running.
 */
import type { HostRuntime } from './host-port.ts'
import type { Output } from './output.ts'
import { onStopSignal } from './signals.ts'

export interface HostUrls {
  readonly gateway: string
  readonly admin: string
}

/** Resolves once the host has stopped. A signal is heeded from the first moment on, also while the host is being made. */
export async function runUntilStopped(
  host: HostRuntime | (() => Promise<HostRuntime>),
  output: Output,
  serve: (urls: HostUrls, runtime: HostRuntime) => Promise<void>,
): Promise<void> {
  const stopping = Promise.withResolvers<string>()
  let isStopping = false
  // A host of this process keeps it alive by its listeners; until they are there the signal is enough.
  onStopSignal((signal) => {
    isStopping = true
    stopping.resolve(signal)
  })
  const runtime = typeof host === 'function' ? await host() : host
  try {
    if (isStopping) return
    const { gateway, admin } = await runtime.start()
    await serve({ gateway, admin }, runtime)
    const signal = await stopping.promise
    output.note(`${signal}: finishing what is in flight (again to stop at once)`)
  } finally {
    await runtime.stop()
  }
}
