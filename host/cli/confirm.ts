/** Asks before what cannot be undone, but only where a person sits: scripts are not held up. */
import { UsageError } from './usage-error.ts'

export async function confirmDeletion(
  question: string,
  flags: { readonly yes?: true; readonly json?: true },
): Promise<void> {
  if (flags.yes === true || flags.json === true || !process.stdin.isTTY || !process.stderr.isTTY) return
  const { confirm } = await import('@clack/prompts')
  const answer = await confirm({ message: question, initialValue: false, output: process.stderr })
  if (answer !== true) throw new UsageError('nothing was deleted')
}
