/**
 * Stopping on SIGTERM and SIGINT. One Ctrl-C arrives several times when the terminal, npm and our launcher each
 * pass it on, so what follows at once counts as the same; a later one means "now".
 */
const SAME_SIGNAL_MS = 250
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

/** Calls `stop` at the first signal; a second one ends the process at once. */
export function onStopSignal(stop: (signal: string) => void): void {
  let firstAt: number | undefined
  for (const [signal, exitCode] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      if (firstAt === undefined) {
        firstAt = performance.now()
        stop(signal)
      } else if (performance.now() - firstAt > SAME_SIGNAL_MS) {
        process.exit(exitCode)
      }
    })
  }
}

/** When the launcher is killed its channel closes: end as if asked to, so that nothing is left behind. */
export function followLauncher(): void {
  if (process.env['VELA_LAUNCHER'] === undefined) return
  delete process.env['VELA_LAUNCHER']
  process.channel?.unref()
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
}
