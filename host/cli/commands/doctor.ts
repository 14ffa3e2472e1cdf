/** `vela doctor`: which layers of the sandbox are on. A running host says it; without one this machine is examined. */
import type { Command } from 'commander'
import { createAdminClient } from '../../admin/client.ts'
import type { DoctorCheck } from '../../core/control.ts'
import { VelaError } from '../../core/errors.ts'
import { apiCommand, resolveApi, type ApiFlags } from '../api.ts'
import { examineMachine } from '../machine.ts'
import { createOutput, table } from '../output.ts'

export function doctorCommand(): Command {
  return apiCommand('doctor', 'say which protections are on, of a running host or of this machine').action(
    async (flags: ApiFlags) => {
      const { source, checks } = await examine(flags)
      if (checks.some((check) => check.status === 'failed')) process.exitCode = 1
      createOutput(flags.json === true).result({ source, checks }, () => {
        const from = source === 'host' ? 'of the running host' : 'of this machine (no host is running)'
        const rows = checks.map((check) => [check.status, check.name, check.detail])
        return table(['status', 'check', `detail ${from}`], rows, 'no checks')
      })
    },
  )
}

async function examine(flags: ApiFlags): Promise<{ source: 'host' | 'machine'; checks: DoctorCheck[] }> {
  const settings = resolveApi(flags)
  try {
    return { source: 'host', checks: await createAdminClient(settings).doctor() }
  } catch (error) {
    // A host that was asked for by name and is not there is the finding.
    const nobodyThere = error instanceof VelaError && error.code === 'VELA_ADMIN_UNREACHABLE'
    if (!nobodyThere || !settings.urlIsDefault) throw error
    return { source: 'machine', checks: await examineMachine() }
  }
}
