/** `vela delete T/N`: a service, its versions and its secrets. Asks first where a person can answer. */
import type { Command } from 'commander'
import { apiCommand, connect, type ApiFlags } from '../api.ts'
import { confirmDeletion } from '../confirm.ts'
import { createOutput } from '../output.ts'
import { parseTarget } from '../target.ts'
import { printable } from '../text.ts'

export function deleteCommand(): Command {
  return apiCommand('delete', 'delete a service with all its versions and secrets')
    .argument('<tenant/service>')
    .option('-y, --yes', 'do not ask')
    .action(async (target: string, flags: ApiFlags & { yes?: true }) => {
      const { tenant, service } = parseTarget(target)
      const output = createOutput(flags.json === true)
      await confirmDeletion(`Delete ${printable(target)}, all its versions and secrets?`, flags)
      await connect(flags).deleteService(tenant, service)
      output.result({ deleted: `${tenant}/${service}` }, () => `deleted ${printable(target)}`)
    })
}
