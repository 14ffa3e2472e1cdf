/** `vela list`: the services that the token reaches. */
import type { Command } from 'commander'
import { apiCommand, connect, type ApiFlags } from '../api.ts'
import { createOutput, table, timeText } from '../output.ts'

export function listCommand(): Command {
  return apiCommand('list', 'list the services that the token reaches')
    .option('--tenant <tenant>', 'only this tenant’s')
    .action(async (flags: ApiFlags & { tenant?: string }) => {
      const services = await connect(flags).listServices(flags.tenant)
      createOutput(flags.json === true).result(services, () =>
        table(
          ['service', 'version', 'state', 'engine', 'isolates', 'in flight', 'updated', 'url'],
          services.map((one) => [
            `${one.tenant}/${one.service}`,
            one.activeVersion,
            one.state,
            one.engine,
            String(one.replicas),
            String(one.inFlight),
            timeText(one.updatedAt),
            one.url,
          ]),
          'no services yet; deploy one: vela deploy <dir|file>',
        ),
      )
    })
}
