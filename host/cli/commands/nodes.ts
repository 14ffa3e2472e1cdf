/** `vela nodes`: the hosts of the cluster, as the one that is asked sees them. */
import type { Command } from 'commander'
import { apiCommand, connect, type ApiFlags } from '../api.ts'
import { createOutput, table, timeText } from '../output.ts'

export function nodesCommand(): Command {
  return apiCommand('nodes', 'list the hosts of the cluster').action(async (flags: ApiFlags) => {
    const answer = await connect(flags).nodes()
    createOutput(flags.json === true).result(answer, () =>
      table(
        ['node', 'state', 'lease', 'cpu', 'turns', 'queue', 'gateway', 'admin', 'since', 'vela'],
        answer.nodes.map((node) => [
          node.id,
          node.state,
          node.id !== answer.self ? '' : answer.holdsLease ? 'this host: held' : 'this host: lost',
          `${Math.round(node.load.cpu * 100)} %`,
          String(node.load.turns),
          String(node.load.queue),
          node.gateway,
          node.admin,
          timeText(node.startedMs),
          node.vela,
        ]),
        answer.self === null
          ? 'this host is alone; start it with --nats to make it one of a cluster'
          : `no host is known yet, not even this one (${answer.self}): NATS was not reached; see \`vela doctor\``,
      ),
    )
  })
}
