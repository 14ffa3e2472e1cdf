/** `vela tail T/N`: the live log of a service until Ctrl-C. With --json one entry a line. */
import type { Command } from 'commander'
import { apiCommand, connect, type ApiFlags } from '../api.ts'
import { VelaError } from '../../core/errors.ts'
import { logLine } from '../log-line.ts'
import { createOutput } from '../output.ts'
import { onStopSignal } from '../signals.ts'
import { parseTarget } from '../target.ts'
import { jsonLine, printable, styled } from '../text.ts'

export function tailCommand(): Command {
  return apiCommand('tail', 'show the live log of a service')
    .argument('<tenant/service>')
    .action(async (target: string, flags: ApiFlags) => {
      const { tenant, service } = parseTarget(target)
      const output = createOutput(flags.json === true)
      const stop = new AbortController()
      onStopSignal(() => stop.abort())
      for await (const event of connect(flags).tail(tenant, service, stop.signal)) {
        if (event.event === 'ready')
          output.note(styled('dim', `tailing ${printable(target)}; Ctrl-C ends it`, process.stderr))
        else if (event.event === 'end') throw endOf(event.reason, target)
        else if (event.event === 'dropped') {
          if (output.json) output.line(jsonLine(event))
          else output.note(`… ${event.count} lines were not shown: they came faster than they could be sent`)
        } else if (event.event === 'log') output.line(output.json ? jsonLine(event) : logLine(event))
      }
      if (!stop.signal.aborted) throw endOf('closing', target)
    })
}

function endOf(reason: 'closing' | 'token', target: string): VelaError {
  return reason === 'token'
    ? new VelaError('VELA_AUTH_INVALID', `the token was deleted while tailing ${target}`)
    : new VelaError('VELA_ADMIN_UNREACHABLE', `the host closed the log of ${target}: it is stopping`)
}
