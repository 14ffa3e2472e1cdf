/** Shows what a command is doing: a spinner on a terminal, nothing elsewhere. Always on stderr. */
import type { Output } from './output.ts'

const MIN_COLUMNS = 40

export interface Progress {
  step(text: string): void
  done(text: string): void
  /** Clears it away, so that the error stands alone. */
  abandon(): void
}

export async function startProgress(output: Output, text: string): Promise<Progress> {
  // A terminal without a width (some CI systems) would wrap after each letter.
  const width = process.stderr.isTTY ? process.stderr.columns : 0
  if (output.json || !(width >= MIN_COLUMNS)) return { step() {}, done() {}, abandon() {} }
  const { spinner } = await import('@clack/prompts')
  const spin = spinner({ output: process.stderr, withGuide: false })
  spin.start(text)
  return {
    step: (text) => spin.message(text),
    done: (text) => spin.stop(text),
    abandon: () => spin.clear(),
  }
}
