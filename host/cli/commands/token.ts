/** `vela token create|list|delete`. The token's text is printed once, on stdout alone, and never again. */
import { Command, Option } from 'commander'
import type { Scope } from '../../registry/types.ts'
import { apiCommand, connect, type ApiFlags } from '../api.ts'
import { createOutput, table, timeText } from '../output.ts'
import { printable, styled } from '../text.ts'
import { UsageError } from '../usage-error.ts'

const SCOPES: readonly string[] = ['admin', 'deploy', 'read', 'invoke'] satisfies Scope[]

interface CreateFlags extends ApiFlags {
  readonly tenant?: string
  readonly operator?: true
  readonly scope: string[]
}

export function tokenCommand(): Command {
  const create = apiCommand('create', 'make a token; it is shown this once')
    .option('--tenant <tenant>', 'the tenant it reaches')
    .option('--operator', 'reaches every tenant')
    .addOption(new Option('--scope <scope...>', `one or more of ${SCOPES.join(', ')}`).makeOptionMandatory())
    .action(async (flags: CreateFlags) => {
      const { token, record } = await connect(flags).createToken(tenantOf(flags), scopesOf(flags.scope))
      createOutput(flags.json === true).result({ token, ...record }, () => {
        process.stderr.write(
          `${styled('dim', `token ${record.id} of ${reachText(record.tenant)}; keep it, it is not shown again:`, process.stderr)}\n`,
        )
        return printable(token)
      })
    })

  const list = apiCommand('list', 'list tokens (never their text)')
    .option('--tenant <tenant>', 'only this tenant’s')
    .action(async (flags: ApiFlags & { tenant?: string }) => {
      const tokens = await connect(flags).listTokens(flags.tenant)
      createOutput(flags.json === true).result(tokens, () =>
        table(
          ['id', 'reaches', 'scopes', 'created'],
          tokens.map((one) => [one.id, reachText(one.tenant), one.scopes.join(' '), timeText(one.createdAt)]),
          'no tokens',
        ),
      )
    })

  const remove = apiCommand('delete', 'delete a token; what uses it is refused from now on')
    .argument('<id>')
    .action(async (id: string, flags: ApiFlags) => {
      await connect(flags).deleteToken(id)
      createOutput(flags.json === true).result({ deleted: id }, () => `deleted token ${printable(id)}`)
    })

  return new Command('token')
    .description('create, list and delete tokens')
    .addCommand(create)
    .addCommand(list)
    .addCommand(remove)
}

function tenantOf({ tenant, operator }: CreateFlags): string | null {
  if ((tenant === undefined) === (operator === undefined)) {
    throw new UsageError('say whom the token reaches: --tenant <tenant>, or --operator for every tenant')
  }
  return tenant ?? null
}

function scopesOf(given: readonly string[]): Scope[] {
  const scopes = given.flatMap((text) => text.split(','))
  const unknown = scopes.find((scope) => !SCOPES.includes(scope))
  if (unknown !== undefined) {
    throw new UsageError(`there is no scope ${JSON.stringify(unknown)}; there are ${SCOPES.join(', ')}`)
  }
  return scopes as Scope[]
}

function reachText(tenant: string | null): string {
  return tenant === null ? 'every tenant' : `tenant ${printable(tenant)}`
}
