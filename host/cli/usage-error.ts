/** A command that is used wrongly: exit 2, and the text says how it is used. Never leaves the command line. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly code = 'VELA_CLI_USAGE'
}
