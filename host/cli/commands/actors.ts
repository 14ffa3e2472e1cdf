/** `vela actors T/N`: the actors of a service; with `--dead`, the messages to them that were given up. */
import type { ActorsStatus, DeadLetter } from '../../core/control.ts'
import type { Command } from 'commander'
import { apiCommand, connect, type ApiFlags } from '../api.ts'
import { createOutput, sizeText, table, timeText } from '../output.ts'
import { parseTarget } from '../target.ts'

export function actorsCommand(): Command {
  return apiCommand('actors', 'show the actors of a service: in memory, stored, dead letters')
    .argument('<tenant/service>')
    .option('--dead', 'the messages that were given up, the latest first')
    .action(async (target: string, flags: ApiFlags & { dead?: true }) => {
      const { tenant, service } = parseTarget(target)
      const client = connect(flags)
      const output = createOutput(flags.json === true)
      if (flags.dead === true) {
        const letters = await client.listDeadLetters(tenant, service)
        output.result(letters, () => letterTable(letters))
      } else {
        const status = await client.listActors(tenant, service)
        output.result(status, () => statusText(status))
      }
    })
}

function statusText({ active, stored, bytes, deadLetters }: ActorsStatus): string {
  const classes = table(
    ['class', 'active'],
    Object.entries(active).map(([name, count]) => [name, String(count)]),
    'no actor is active',
  )
  return `${classes}\n\nstored: ${stored} ${stored === 1 ? 'actor' : 'actors'}, ${sizeText(bytes)}\ndead letters: ${deadLetters}`
}

const letterTable = (letters: readonly DeadLetter[]): string =>
  table(
    ['time', 'class', 'name', 'method', 'reason', 'arguments'],
    letters.map(({ at, class: className, name, method, reason, args }) => [
      timeText(at),
      className,
      name,
      method,
      reason,
      args ?? '',
    ]),
    'there are no dead letters',
  )
