/** `vela versions T/N` and `vela rollback T/N [version]`: what there is to go back to, and going back. */
import type { Command } from 'commander'
import { apiCommand, connect, type ApiFlags } from '../api.ts'
import { createOutput, sizeText, table, timeText } from '../output.ts'
import { parseTarget } from '../target.ts'
import { printable } from '../text.ts'

export function versionsCommand(): Command {
  return apiCommand('versions', 'list the stored versions of a service, newest first')
    .argument('<tenant/service>')
    .action(async (target: string, flags: ApiFlags) => {
      const { tenant, service } = parseTarget(target)
      const client = connect(flags)
      const versions = await client.listVersions(tenant, service)
      const services = await client.listServices(tenant)
      const active = services.find((one) => one.service === service)?.activeVersion
      const document = versions.map(({ version, createdAt, sizeBytes, startupMs, manifest }) => ({
        version,
        active: version === active,
        createdAt,
        sizeBytes,
        startupMs,
        engine: manifest.engine,
      }))
      createOutput(flags.json === true).result(document, () =>
        table(
          ['version', '', 'created', 'size', 'started in'],
          document.map((one) => [
            one.version,
            one.active ? 'active' : '',
            timeText(one.createdAt),
            sizeText(one.sizeBytes),
            `${Math.round(one.startupMs)} ms`,
          ]),
          'no versions',
        ),
      )
    })
}

export function rollbackCommand(): Command {
  return apiCommand('rollback', 'make an earlier version of a service the active one')
    .argument('<tenant/service>')
    .argument('[version]', 'without it, the one that was active before')
    .action(async (target: string, version: string | undefined, flags: ApiFlags) => {
      const { tenant, service } = parseTarget(target)
      const record = await connect(flags).rollback(tenant, service, version)
      createOutput(flags.json === true).result(
        record,
        () => `${printable(target)} now serves version ${printable(record.activeVersion)}`,
      )
    })
}
