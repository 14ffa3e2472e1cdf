/** `vela replay <file>`: runs a recording of a cell's frames again and says whether it went the same way; exit 1 if not. */
import type { Command } from 'commander'
import type { FrameView } from '../../replay/compare.ts'
import type { ReplayReport } from '../../replay/report.ts'
import { command } from '../api.ts'
import { EXIT } from '../failure.ts'
import { replay } from '../host-port.ts'
import { createOutput } from '../output.ts'
import { printable, styled } from '../text.ts'

export function replayCommand(): Command {
  return command('replay', 'replay a recording made with `vela start --record`')
    .argument('<file>')
    .action(async (file: string, flags: { json?: true }) => {
      const report = await replay(file)
      if (!report.matched) process.exitCode = EXIT.failed
      createOutput(flags.json === true).result(report, () => humanReport(report))
    })
}

const SHOWN_KILLS = 20

function humanReport(report: ReplayReport): string {
  const { batches, turns, killed, cpuMs, end, warnings, divergence } = report
  const outcomes = Object.entries(turns).map(([outcome, count]) => `${count} ${outcome}`)
  const lines = [
    row(
      'replayed',
      `${batches} batches in ${cpuMs.replayed} ms of CPU time (recorded: ${cpuMs.recorded} ms)`,
    ),
    row('turns', outcomes.length === 0 ? 'none' : outcomes.join(', ')),
    ...killed.slice(0, SHOWN_KILLS).map(({ batch, guest, by, reason, message, requestIds }) => {
      const whom = by === 'host' ? 'the cell, by the host' : `guest ${guest}`
      const requests =
        requestIds.length === 0
          ? ''
          : ` (${requestIds.slice(0, 3).join(', ')}${requestIds.length > 3 ? ' …' : ''})`
      return row('killed', printable(`batch ${batch}: ${whom}: ${reason}: ${message}${requests}`))
    }),
    ...(killed.length > SHOWN_KILLS
      ? [row('killed', `… ${killed.length - SHOWN_KILLS} more; see --json`)]
      : []),
    row('end', `${end.recorded} when recorded, ${end.replayed} in the replay`),
    ...warnings.map((warning) => row('warning', printable(warning))),
  ]
  if (divergence === null) {
    lines.push(row('result', styled('green', 'every frame was the same')))
  } else {
    const { batch, frame, note, expected, actual } = divergence
    lines.push(
      row('result', styled('red', `it went another way in batch ${batch}, frame ${frame}`)),
      row('', printable(note)),
      row('expected', frameText(expected)),
      row('actual', frameText(actual)),
    )
  }
  return lines.join('\n')
}

const row = (label: string, text: string): string => `${styled('bold', label.padEnd(9))} ${text}`

function frameText(frame: FrameView | undefined): string {
  if (frame === undefined) return 'nothing'
  const { kind, guest, a, b, bytes, text } = frame
  return `${kind} guest ${guest} a ${a} b ${b}, ${bytes} bytes: ${printable(text)}`
}
