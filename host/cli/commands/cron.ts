/** `vela cron T/N [cron]`: runs a schedule of a service now, and says how it went. */
import type { Command } from 'commander'
import { apiCommand, connect, type ApiFlags } from '../api.ts'
import { createOutput, timeText } from '../output.ts'
import { parseTarget } from '../target.ts'
import { printable } from '../text.ts'

export function cronCommand(): Command {
  return apiCommand('cron', 'run a schedule of a service now')
    .argument('<tenant/service>')
    .argument('[cron]', 'as the manifest has it; not needed if there is only one')
    .action(async (target: string, cron: string | undefined, flags: ApiFlags) => {
      const { tenant, service } = parseTarget(target)
      const run = await connect(flags).runSchedule(tenant, service, cron)
      createOutput(flags.json === true).result(
        run,
        () =>
          `ran "${printable(run.cron)}" for ${timeText(run.scheduledTime)} UTC in ${Math.round(run.durationMs)} ms`,
      )
    })
}
