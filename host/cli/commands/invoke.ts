/** `vela invoke T/N method [args]`: calls an exported method and prints what it returns. */
import type { Command } from 'commander'
import { apiCommand, connect, type ApiFlags } from '../api.ts'
import { createOutput } from '../output.ts'
import { parseArgs, parseTarget } from '../target.ts'
import { jsonLine } from '../text.ts'

export function invokeCommand(): Command {
  return apiCommand('invoke', 'call a method of a service')
    .argument('<tenant/service>')
    .argument('<method>')
    .argument('[args]', 'JSON array of arguments', '[]')
    .action(async (target: string, method: string, args: string, flags: ApiFlags) => {
      const { tenant, service } = parseTarget(target)
      const answer = await connect(flags).invoke(tenant, service, method, parseArgs(args))
      createOutput(flags.json === true).result(answer, () =>
        answer.result === undefined ? 'undefined' : jsonLine(answer.result, 2),
      )
    })
}
