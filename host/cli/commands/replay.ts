/** `vela replay <file>`: runs a recording of a cell's frames again and says whether it went the same way. */
import type { Command } from 'commander'
import { command } from '../api.ts'
import { replay } from '../host-port.ts'
import { createOutput } from '../output.ts'
import { jsonLine } from '../text.ts'

export function replayCommand(): Command {
  return command('replay', 'replay a recording made with `vela start --record`')
    .argument('<file>')
    .action(async (file: string, flags: { json?: true }) => {
      const report = await replay(file)
      createOutput(flags.json === true).result(report, () => jsonLine(report, 2))
    })
}
