/** `vela grants T/N`, `vela grant T/N BINDING`, `vela revoke T/N BINDING`: what a service can reach, and deciding it. */
import type { Command } from 'commander'
import type { Decision, GrantStatus } from '../../core/control.ts'
import { apiCommand, connect, type ApiFlags } from '../api.ts'
import { createOutput, table } from '../output.ts'
import { parseTarget } from '../target.ts'
import { printable } from '../text.ts'

export function grantsCommand(): Command {
  return apiCommand('grants', 'show what the active version of a service asks for, and what it can reach')
    .argument('<tenant/service>')
    .action(async (target: string, flags: ApiFlags) => {
      const { tenant, service } = parseTarget(target)
      const grants = await connect(flags).listGrants(tenant, service)
      createOutput(flags.json === true).result(grants, () => grantTable(grants))
    })
}

export function grantCommand(): Command {
  return apiCommand('grant', 'let a service have what it asks for under a binding (operators)')
    .argument('<tenant/service>')
    .argument('<binding>', 'its name in env; fetch for the global')
    .option('--by-policy', 'take back what was decided: the operator’s policy decides again')
    .action((target: string, binding: string, flags: ApiFlags & { byPolicy?: true }) =>
      decide(target, binding, flags.byPolicy === true ? 'policy' : 'granted', flags),
    )
}

export function revokeCommand(): Command {
  return apiCommand('revoke', 'take a binding from a service; its next call fails (operators)')
    .argument('<tenant/service>')
    .argument('<binding>', 'its name in env; fetch for the global')
    .action((target: string, binding: string, flags: ApiFlags) => decide(target, binding, 'revoked', flags))
}

async function decide(target: string, binding: string, decision: Decision, flags: ApiFlags): Promise<void> {
  const { tenant, service } = parseTarget(target)
  const grants = await connect(flags).decideGrant(tenant, service, binding, decision)
  createOutput(flags.json === true).result(grants, () => grantTable(grants))
}

function grantTable(grants: readonly GrantStatus[]): string {
  return table(
    ['binding', 'kind', 'state', 'reach', 'reason'],
    grants.map(({ binding, kind, state, reach, reason = '' }) => [binding, kind, state, reach, reason]),
    'it asks for nothing and can reach nothing',
  )
}

/** What a deploy says of its grants: a line each, and what an operator would type to grant what is denied. */
export function grantLines(
  { tenant, service }: { readonly tenant: string; readonly service: string },
  grants: readonly GrantStatus[],
  asksMore: readonly string[],
): string[] {
  const lines = grants.flatMap(({ binding, kind, state, reach, reason }) => {
    if (state === 'granted') return [`granted  ${printable(`${kind} ${binding}: ${reach}`)}`]
    const head = `${state.padEnd(7)}  ${printable(`${kind} ${binding}: ${reach} (${reason ?? 'no reason given'})`)}`
    return [
      head,
      `         an operator grants it: vela grant ${printable(`${tenant}/${service} ${binding}`)}`,
    ]
  })
  const more = asksMore.map((line) => `new      asks for more than the version before: ${printable(line)}`)
  return [...lines, ...more]
}
