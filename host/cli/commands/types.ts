/**
 * `vela types [path]`: writes the type of `env` beside the manifest it is made from. A file that it did not make is never
 * overwritten.
 */
import { isName } from '../../registry/names.ts'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import type { Command } from 'commander'
import { command } from '../api.ts'
import { envTypes } from '../env-types.ts'
import { readService } from '../host-port.ts'
import { createOutput } from '../output.ts'
import { printable } from '../text.ts'
import { UsageError } from '../usage-error.ts'

interface TypesFlags {
  readonly out?: string
  readonly secret?: readonly string[]
  readonly strictVars?: true
  readonly check?: true
  readonly json?: true
}

const FILE = 'vela-env.d.ts'
const MADE = /^(?:\/\/.*\n)*\/\/ Made from the manifest by `vela types/

export function typesCommand(): Command {
  return command('types', 'write the type of env from the manifest')
    .argument('[path]', 'folder or file', '.')
    .option('--out <file>', `file to write, - for stdout (${FILE} beside the manifest)`)
    .option('--secret <name>', 'a secret that env has besides; may be repeated', collect)
    .option('--strict-vars', 'vars as literals')
    .option('--check', 'write nothing; exit 1 if the file is not as it would be')
    .action(types)
}

const collect = (name: string, before: readonly string[] = []): readonly string[] => [...before, name]

async function types(path: string, flags: TypesFlags): Promise<void> {
  const { secret = [], strictVars = false } = flags
  const wrong = secret.find((name) => !isName('secret', name))
  if (wrong !== undefined)
    throw new UsageError(`${JSON.stringify(wrong)} is no name of a secret: letters, digits and _`)
  const { manifest, folder } = await readService(path)
  const text = envTypes(manifest, { secrets: secret, strictVars })
  const output = createOutput(flags.json === true)
  if (flags.out === '-') {
    if (flags.check === true) throw new UsageError('--check compares a file; give it one with --out')
    return output.result({ text }, () => text.trimEnd())
  }
  const file = flags.out === undefined ? join(folder, FILE) : resolve(flags.out)
  const before = existsSync(file) ? readFileSync(file, 'utf8') : undefined
  const shown = printable(relative(process.cwd(), file) || file)
  const isCurrent = before === text
  if (flags.check === true) {
    output.result({ file, current: isCurrent }, () =>
      isCurrent
        ? `${shown} is as the manifest has it`
        : `${shown} is not as the manifest has it; run vela types`,
    )
    if (!isCurrent) process.exitCode = 1
    return
  }
  if (before !== undefined && !MADE.test(before))
    throw new UsageError(`${shown} is there and was not made by vela types; choose another file with --out`)
  if (!existsSync(dirname(file))) throw new UsageError(`the folder of ${shown} does not exist`)
  if (!isCurrent) writeFileSync(file, text)
  output.result({ file, changed: !isCurrent }, () => (isCurrent ? `${shown} is current` : `wrote ${shown}`))
}
