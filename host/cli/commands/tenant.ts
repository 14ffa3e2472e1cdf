/** `vela tenant create|list|delete`: operators only. */
import { Command } from 'commander'
import { apiCommand, connect, type ApiFlags } from '../api.ts'
import { confirmDeletion } from '../confirm.ts'
import { createOutput, table, timeText } from '../output.ts'
import { printable } from '../text.ts'

export function tenantCommand(): Command {
  const create = apiCommand('create', 'make a tenant')
    .argument('<name>')
    .action(async (name: string, flags: ApiFlags) => {
      const tenant = await connect(flags).createTenant(name)
      createOutput(flags.json === true).result(tenant, () => `created tenant ${printable(tenant.name)}`)
    })

  const list = apiCommand('list', 'list tenants').action(async (flags: ApiFlags) => {
    const tenants = await connect(flags).listTenants()
    createOutput(flags.json === true).result(tenants, () =>
      table(
        ['tenant', 'created', 'limits'],
        tenants.map((one) => [one.name, timeText(one.createdAt), limitsText(one.limits)]),
        'no tenants yet; make one: vela tenant create <name>',
      ),
    )
  })

  const remove = apiCommand('delete', 'delete a tenant')
    .argument('<name>')
    .option('--force', 'with all its services, versions and secrets')
    .option('-y, --yes', 'do not ask')
    .action(async (name: string, flags: ApiFlags & { force?: true; yes?: true }) => {
      if (flags.force === true) {
        await confirmDeletion(`Delete tenant ${printable(name)} with everything it has?`, flags)
      }
      await connect(flags).deleteTenant(name, flags.force === true)
      createOutput(flags.json === true).result({ deleted: name }, () => `deleted tenant ${printable(name)}`)
    })

  return new Command('tenant')
    .description('create, list and delete tenants')
    .addCommand(create)
    .addCommand(list)
    .addCommand(remove)
}

function limitsText(limits: object): string {
  const own = Object.entries(limits).map(([key, value]) => `${key}=${String(value)}`)
  return own.length === 0 ? 'default' : own.join(' ')
}
