/**
 * How a command fails: one clear line (what, where, what to do), a hint where one helps, and an exit code that a
 * script can branch on. A stack is shown only for a fault of ours, and only when DEBUG=vela asks for it.
 */
import { CommanderError } from 'commander'
import { toVelaError, VelaError } from '../core/errors.ts'
import { jsonLine, printableLines, styled } from './text.ts'
import { UsageError } from './usage-error.ts'

export const EXIT = { ok: 0, failed: 1, usage: 2, auth: 3, notFound: 4 } as const

export function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof UsageError) return EXIT.usage
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.ok : EXIT.usage
  if (!(thrown instanceof VelaError)) return EXIT.failed
  if (thrown.code.startsWith('VELA_AUTH_')) return EXIT.auth
  return thrown.code.endsWith('_NOT_FOUND') ? EXIT.notFound : EXIT.failed
}

/** Prints the failure where it belongs and returns the exit code. */
export function reportFailure(thrown: unknown, json: boolean): number {
  const exitCode = exitCodeOf(thrown)
  if (exitCode === EXIT.ok) return exitCode
  // A group without its subcommand: commander has printed the help already.
  if (!json && thrown instanceof CommanderError && thrown.code === 'commander.help') return exitCode
  const { code, message, details } = failureOf(thrown)
  if (json) {
    process.stdout.write(`${jsonLine({ error: { code, message, details } })}\n`)
    return exitCode
  }
  const head = styled(['red', 'bold'], 'error:', process.stderr)
  const [first = '', ...more] = printableLines(message, '  ').split('\n')
  process.stderr.write(
    `${[`${head} ${first} ${styled('dim', `(${code})`, process.stderr)}`, ...more].join('\n')}\n`,
  )
  const hint = hintOf(code)
  if (hint !== undefined) process.stderr.write(`  ${styled('cyan', hint, process.stderr)}\n`)
  if (process.env['DEBUG']?.includes('vela') === true && thrown instanceof Error)
    process.stderr.write(`${thrown.stack}\n`)
  return exitCode
}

interface Failure {
  readonly code: string
  readonly message: string
  readonly details: Readonly<Record<string, unknown>>
}

function failureOf(thrown: unknown): Failure {
  if (thrown instanceof UsageError) return { code: thrown.code, message: thrown.message, details: {} }
  if (thrown instanceof CommanderError) {
    if (thrown.code === 'commander.help') {
      return { code: 'VELA_CLI_USAGE', message: 'a subcommand is missing; see --help', details: {} }
    }
    return { code: 'VELA_CLI_USAGE', message: thrown.message.replace(/^error: /, ''), details: {} }
  }
  return toVelaError(thrown, 'VELA_GATEWAY_INTERNAL')
}

function hintOf(code: string): string | undefined {
  switch (code) {
    case 'VELA_CLI_USAGE':
      return 'see `vela --help`, or `vela <command> --help`'
    case 'VELA_AUTH_MISSING':
      return (
        'give a token with --token or VELA_API_TOKEN; on the host’s machine it is in <data>/admin-token\n' +
        '  (a host that joined a cluster has none of its own: the tokens of the cluster’s first host hold there)'
      )
    case 'VELA_AUTH_INVALID':
      return 'check --token, VELA_API_TOKEN and ./.vela/admin-token (they are tried in this order)'
    case 'VELA_AUTH_FORBIDDEN':
      return 'an operator makes a token that may: `vela token create --tenant T --scope S`'
    case 'VELA_TENANT_NOT_FOUND':
      return 'an operator makes it: `vela tenant create T`'
    case 'VELA_SERVICE_NOT_FOUND':
      return '`vela list` shows what there is'
    case 'VELA_VERSION_NOT_FOUND':
      return '`vela versions T/N` shows what there is'
    case 'VELA_CLUSTER_UNAVAILABLE':
    case 'VELA_EVENTS_UNAVAILABLE':
      return '`vela doctor` says how a running host and its NATS are; what is deployed is served all the while'
    case 'VELA_CLUSTER_CONFLICT':
      return '`vela versions T/N` shows what is in force now'
    case 'VELA_CELL_LOST':
    case 'VELA_GUEST_THREW':
      return '`vela tail T/N` shows the service’s log'
    default:
      return undefined
  }
}
