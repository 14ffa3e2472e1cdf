/**
 * One service under development: bundled and deployed on each call, its log shown from the first deploy on. A
 * deploy that fails is reported and changes nothing: the version before it keeps serving.
 */
import { toVelaError } from '../core/errors.ts'
import type { DeployResult } from '../core/control.ts'
import { grantLines } from './commands/grants.ts'
import { bundle, type HostRuntime } from './host-port.ts'
import { logLine } from './log-line.ts'
import type { Output } from './output.ts'
import { jsonLine, printable, printableLines, styled } from './text.ts'

export interface DevSession {
  /** Never rejects; the files to watch, where they are known. */
  deploy(): Promise<readonly string[] | undefined>
}

export interface DevSessionOptions {
  readonly path: string
  readonly tenant: string
  readonly name?: string
}

type DevHost = Pick<HostRuntime, 'deploy' | 'tail'>

export function createDevSession(
  { runtime, output }: { readonly runtime: DevHost; readonly output: Output },
  { path, tenant, name }: DevSessionOptions,
): DevSession {
  let tailed: string | undefined
  let stopTail: (() => void) | undefined
  let serving: string | undefined

  const follow = (service: string): void => {
    if (tailed === service) return
    stopTail?.()
    tailed = service
    stopTail = runtime.tail(tenant, service, (entry) => {
      output.line(output.json ? jsonLine({ event: 'log', ...entry }) : logLine(entry))
    })
  }

  const reportSuccess = (result: DeployResult): void => {
    const { version, url } = result
    if (output.json) output.line(jsonLine({ event: 'deployed', ...result }))
    else output.line(`${styled('green', 'deployed')} ${printable(version)}  curl ${printable(url)}`)
    for (const line of grantLines(result, result.grants, [])) output.note(`  ${line}`)
  }

  const reportFailure = (thrown: unknown): void => {
    const { code, message, details } = toVelaError(thrown, 'VELA_GATEWAY_INTERNAL')
    if (output.json) {
      output.line(jsonLine({ event: 'failed', error: { code, message, details }, serving: serving ?? null }))
      return
    }
    const head = styled(['red', 'bold'], 'error:', process.stderr)
    const state = serving === undefined ? 'nothing serves yet' : `version ${serving} keeps serving`
    output.note(`${head} ${printableLines(message, '  ')}\n  ${state}; waiting for a change`)
  }

  return {
    async deploy() {
      let watchFiles: readonly string[] | undefined
      try {
        const service = await bundle(path, name)
        watchFiles = service.watchFiles
        for (const warning of service.warnings) output.note(`warning: ${printableLines(warning, '  ')}`)
        follow(service.manifest.name)
        const result = await runtime.deploy({ tenant, manifest: service.manifest, bundle: service.bundle })
        // A save that changes nothing is the same version.
        if (result.version !== serving) reportSuccess(result)
        serving = result.version
      } catch (thrown) {
        reportFailure(thrown)
      }
      return watchFiles
    },
  }
}
