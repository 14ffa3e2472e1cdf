/** `vela engine T/N [v8|quickjs|manifest]`: which engine a service runs on, and moving it to another while it serves. */
import { Argument, type Command } from 'commander'
import type { EngineInput } from '../../admin/wire.ts'
import type { EngineStatus, ServiceStatus } from '../../core/control.ts'
import { VelaError } from '../../core/errors.ts'
import { apiCommand, connect, type ApiFlags } from '../api.ts'
import { createOutput } from '../output.ts'
import { parseTarget } from '../target.ts'

export function engineCommand(): Command {
  return apiCommand('engine', 'show the engine of a service, or move the service to another while it serves')
    .argument('<tenant/service>')
    .addArgument(
      new Argument(
        '[engine]',
        'for this service whatever its manifest says; "manifest" takes that back',
      ).choices(['v8', 'quickjs', 'manifest']),
    )
    .action(async (target: string, engine: EngineInput | undefined, flags: ApiFlags) => {
      const { tenant, service } = parseTarget(target)
      const client = connect(flags)
      const status =
        engine === undefined
          ? engineOf(await client.listServices(tenant), tenant, service)
          : await client.setEngine(tenant, service, engine)
      createOutput(flags.json === true).result({ tenant, service, ...status }, () => describe(status))
    })
}

function engineOf(services: readonly ServiceStatus[], tenant: string, service: string): EngineStatus {
  const found = services.find((one) => one.service === service)
  if (found === undefined)
    throw new VelaError('VELA_SERVICE_NOT_FOUND', `There is no service ${tenant}/${service}`)
  return { engine: found.engine, override: found.engineOverride ?? null }
}

const describe = ({ engine, override }: EngineStatus): string =>
  `${engine} (${override === null ? 'by its manifest' : 'set by the operator'})`
