/**
 * The types of `@vela/guest-sdk/testing`, apart from its code, which needs Node's types and the host.
 */
import type { StartService } from './types.ts'

export type { LogLine, RunningService, StartService, StartServiceOptions } from './types.ts'

/**
 * Runs a service in the real sandbox: bundled, deployed to a host in memory, answering on a port of its own. `path` is its
 * folder or file, from the working directory; `.` if left out. It takes about a second; let the tests of a file share one.
 *
 * Rejects with an error whose `code` says what is wrong: `VELA_DEPLOY_*` for the service, as `vela deploy` would.
 * Needs the package `vela-runtime` and Node 24.
 *
 * @example
 * import { startService } from '@vela/guest-sdk/testing'
 * import { afterAll, expect, test } from 'vitest'
 *
 * const service = await startService('.', { vars: { GREETING: 'Hi' } })
 * afterAll(() => service.stop())
 *
 * test('greets', async () => {
 *   const response = await service.fetch('/?name=Ada')
 *   expect(await response.json()).toEqual({ message: 'Hi, Ada!' })
 * })
 */
export declare const startService: StartService
